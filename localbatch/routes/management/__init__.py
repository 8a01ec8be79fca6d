"""The Azure Resource Manager plane of Batch: accounts, applications and packages, pools, and what a region offers.

Clients are ``azure.mgmt.batch`` and the tools made of it; their ``base_url`` is the Batch service itself.

- route.py            every path below ``/subscriptions`` and ``/providers``: tokens, versions, the table, errors
- call.py             one authorised request: its names, its account and its body
- paths.py            where resources lie
- answers.py          resources and errors as ARM writes them
- accounts.py         Batch accounts and their keys
- account_settings.py what can be said of an account, and what of it is refused
- identities.py       managed identities
- applications.py     applications
- packages.py         their packages
- pools.py            the very pools of the data plane
- pool_bodies.py, pool_views.py, pool_words.py   ... in the words of the management plane, both ways
- locations.py        quotas, VM sizes, names, and how long-running operations went
- operations.py, table.py   what there is to be done
- absent.py           operations that are known and not emulated
"""
