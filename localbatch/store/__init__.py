"""The database, and what is remembered of what clients asked for.

One frozen dataclass for each table. Its ``body`` is the resource as its client described it, in the words of the wire
and with the service's defaults filled in. What the engine moves or searches has a field of its own. ``seq`` grows with
each row added to a table and is what pages and queues are ordered by.

store           all tables, in one SQLite file
table           one table, whose rows are frozen dataclasses
root            the directory of all state
removal         directory trees of any depth removed
pools, nodes, jobs, schedules, tasks, accounts, applications   records, and the bodies in them, a file for each kind
commands        what the bodies of all commands have in common
lifetimes       how long nodes and pools were there
dependencies    which task waits for which
samples         samples for autoscale formulas
statistics      what has been used so far
"""
