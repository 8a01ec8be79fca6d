// All that the flows need of Azure: a storage account, a Batch account that has it as its own, an identity for the nodes
// of pools, and the roles of the identity and of whoever runs the flows. No key is needed anywhere, and none is given out.
//
//   az group create --name lab --location westeurope
//   az deployment group create --resource-group lab --template-file deployments/azure.bicep \
//     --parameters user="$(az ad signed-in-user show --query id -o tsv)" --query properties.outputs

targetScope = 'resourceGroup'

@description('Beginning of the names of the accounts: small letters and digits, the first one a letter.')
@minLength(3)
@maxLength(11)
param prefix string = 'lab'

@description('Region of all of it; quotas are counted by region.')
param location string = resourceGroup().location

@description('Object id of who runs the flows: a user, a group, or the service principal of an application or identity.')
@minLength(36)
@maxLength(36)
param user string

@description('What that is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param userKind string = 'User'

@description('Whether the keys of both accounts sign in, too. Whoever has one may do everything there.')
param allowKeys bool = false

var name = '${prefix}${uniqueString(resourceGroup().id)}'

// "Azure built-in roles", Microsoft Learn.
var batchDataContributor = '6aaa78f1-f7de-44ca-8722-c64a23943cae'
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var managedIdentityOperator = 'f1a07417-d97a-45cb-824c-7a7467783830'

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: allowKeys
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource nodes 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${prefix}-nodes'
  location: location
}

resource batch 'Microsoft.Batch/batchAccounts@2025-06-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${nodes.id}': {}
    }
  }
  properties: {
    poolAllocationMode: 'BatchService'
    publicNetworkAccess: 'Enabled'
    allowedAuthenticationModes: allowKeys ? ['AAD', 'SharedKey'] : ['AAD']
    autoStorage: {
      storageAccountId: storage.id
      authenticationMode: 'BatchAccountManagedIdentity'
      nodeIdentityReference: {
        resourceId: nodes.id
      }
    }
  }
  dependsOn: [
    nodesUseBlobs
  ]
}

resource nodesUseBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, nodes.id, storageBlobDataContributor)
  scope: storage
  properties: {
    principalId: nodes.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}

resource userUsesBatch 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(batch.id, user, batchDataContributor)
  scope: batch
  properties: {
    principalId: user
    principalType: userKind
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', batchDataContributor)
  }
}

resource userUsesBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, user, storageBlobDataContributor)
  scope: storage
  properties: {
    principalId: user
    principalType: userKind
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}

// To make pools whose nodes have the identity.
resource userGivesIdentity 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(nodes.id, user, managedIdentityOperator)
  scope: nodes
  properties: {
    principalId: user
    principalType: userKind
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', managedIdentityOperator)
  }
}

@description('The block\'s endpoint.')
output endpoint string = 'https://${batch.properties.accountEndpoint}'

@description('The account_url of the block\'s storage.')
output accountUrl string = storage.properties.primaryEndpoints.blob

@description('The block\'s subscription_id.')
output subscriptionId string = subscription().subscriptionId

@description('The block\'s resource_group.')
output resourceGroupName string = resourceGroup().name

@description('For the key identities of a pool.')
output nodeIdentity string = nodes.id
