"""Flows, each runnable by ``python -m flows.<name>``.

map_flow        one program over many inputs
map_work        what a map run is to do, and what others have done of it
map_plan        the plan of a map run
map_run         a map run, from its inputs to its result
map_stages      the stages that the inputs of a map go through
mpi_flow        one MPI program over several nodes at once
mpi_work        what an MPI run is to do
mpi_plan        the plan of an MPI run
mpi_run         the stages of an MPI run, in order
explain         says why a job does not go on, and why tasks failed
upkeep_flow     finds what runs have left
check_flow      says what works of an account
trial           one task that truly runs on it
prices          the table of prices: which one is read, and a newer one
resume          what a run takes up of others
events          what runs tell Prefect by events, on which automations can act
idle_nodes      when nodes that are paid for and run nothing are worth telling of
pool_watch      what becomes of the pool that a run has made, told as events
telling         a run's result does not hang on Prefect
endings         how a run ends that is told to by a signal
hooks           what is done when a flow run has ended without having cleaned up
commands        what `python -m flows.<name>` and the console scripts run
main            command line in, report and exit status out
streams         standard output and error as a shell may leave them
entries         the flows that the command line knows
option_groups   the groups of options in --help
arguments       the command line of a flow, made from its parameters
parameters      what every run can be asked for: the form in the Prefect UI
map_parameters  what a map run can be asked for
mpi_parameters  what an MPI run can be asked for
explain_parameters  what an explanation can be asked for
upkeep_parameters  what upkeep can be asked for
check_parameters   what a check can be asked for
check_result    what a check gives back: JSON and text
pool_file       the description of a pool in a YAML file
saved_blocks    blocks that Prefect has saved
pools           the pool block that a run names
preflight       what can be seen to be wrong before anything starts
plan            what a run would do: JSON and text
planning        how a plan is made
results         what a run gives back: JSON and text
result_index    the results of a run's tasks, in a file
outcomes        how ended tasks read in a result
report          the report of a run: written, and shown in the Prefect UI
report_page     a run as one page of HTML
report_pictures  its pictures
run_summary     a run in some lines of Markdown
run_times       when and where tasks ran, and what their nodes did besides
artifacts       results in the Prefect UI
assets          results that stay in storage, as an asset of Prefect
account         the account a run talks to: a block, or a local Azure for the life of the run
runs            a run in Azure, from its pool to the cleanup that follows whatever happens
progress        shows how far a run is: on a terminal, in a log, in the Prefect UI
progress_state  what is known of a run while it goes, and the same in words
run_progress    what a run has got to, from its stages, its poller and its meter
pace            how fast tasks end
terminal_view   a line for each phase, and a strip of nodes
progress_artifact  the progress artifact
status_page     where the status page of a local Azure is
recording       makes sure that Prefect's ephemeral server has recorded every task run
prefect_server  a Prefect server for a run from the command line
server_process  the process of it
early_starts    it and a local Azure, started while Prefect is imported
collector       has nothing to do while modules are imported
environment     Prefect's settings for a run from the command line
examples        where the bundled examples lie
"""
