"""The service's HTTP interface: requests are parsed, handed on and answered here, and nothing is decided.

- gate.py             what is refused of a request by its head alone
- batch.py            the data plane as one route: authentication, versions, the table of operations, errors
- queries.py          what a query may hold
- call.py             one authorised request: its names, query, conditions and body
- answers.py          responses in the forms of the service
- paging.py           lists by pages, with $filter and $select
- statistics.py       what $expand=stats adds
- pools.py, auto_scale.py, nodes.py, node_commands.py, jobs.py, schedules.py, tasks.py, files.py, account.py, usage.py
                      the operations
- faults.py           faults on request, which Azure does not have
- status_page.py      the status page, for people; page/ is what browsers load
- absent.py           operations that are known and not emulated
- management/         the management plane
"""
