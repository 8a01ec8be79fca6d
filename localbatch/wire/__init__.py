"""The forms of the protocol, all pure.

formats         times, durations, ETags
signature       SharedKey
tokens          bearer tokens
errors          codes, statuses and texts of all errors
filters         $filter and $select
filter_syntax   ... how they are written
shapes          the published form of every body; shapes.json is made from Azure's schema
whole_numbers   numbers that clients write as texts
confidential    what is never shown
storage_links   links to a storage account by its name on Azure
connection      what clients need to know to connect
"""
