"""The database, and what is remembered of what clients asked for.

store           the tables of all records, in one SQLite file
table           one table, whose rows are frozen dataclasses
root            the directory of all state
records         the rows
documents, job_documents, new_records   how a resource is remembered when it is made
applications    applications and their packages
dependencies    which task waits for which
samples         samples for autoscale formulas
statistics      what has been used so far
"""
