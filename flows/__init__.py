"""Flows, each runnable by ``python -m flows.<name>``.

map_flow      one program over many inputs
map_run       the stages of a map run, in order, with the cleanup that follows whatever happens
main          command line in, report and exit status out
preflight     what can be seen to be wrong before anything starts
parameters    what a map run can be asked for: the form in the Prefect UI
results       what a run gives back: JSON and text
account       the account a run talks to: a block, or a local Azure for the life of the run
arguments     the command line
progress      a progress display on a terminal
recording     makes sure that Prefect's ephemeral server has recorded every task run
environment   Prefect's settings for a run from the command line
examples      where the bundled examples lie
"""
