"""Where resources lie: the beginnings of their paths, with ``{name}`` for the variable parts."""

SUBSCRIPTION = "/subscriptions/{subscription}/providers/Microsoft.Batch"
LOCATION = f"{SUBSCRIPTION}/locations/{{location}}"
GROUP = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Batch"
ACCOUNT = f"{GROUP}/batchAccounts/{{account}}"
