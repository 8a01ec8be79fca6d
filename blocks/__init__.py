"""What the flows talk to: Prefect blocks that hold credentials and hand out SDK clients.

    azure_batch         the Azure Batch account, with the storage account that belongs to it
    azure_batch_pool    what the pool of a run shall be, saved under a name
    azure_storage       the storage account: clients, and links that nodes read and write blobs by
    credentials         the kinds of credential, each a model of its own
    errors              what a credential cannot do

What they share, none of which imports Prefect:
    containers          names of containers
    clients             one client per account and process; time limits
    patience            how often and how long requests are tried again
    pool_description    what a pool shall be
    pool_parts          its parts
    secrets             secrets that are named (imports Prefect)
    hiding              their values taken out of texts
    connection_string   storage connection strings taken apart
    delegation          user delegation keys, kept while they last
    endpoints           service addresses: checked, and the account name in them
    signing             shared access signatures
    queries             queries of links taken out of texts
"""
