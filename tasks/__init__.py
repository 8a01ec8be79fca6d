"""The stages of work on Azure Batch, each a plain function and its Prefect task.

Stages, in the order a run goes through them:
    upload          inputs to blobs, named by their content, so that nothing is sent twice
    application     a program: shipped with the job, or published as an application package
    pool            create a pool, or check one that exists
    nodes           wait until the nodes of a pool are idle
    job             create a job; end it when all its tasks have ended
    lease           pool and job end by themselves unless the run that lives puts it off
    meter           what a run's pools have had of nodes, against its budget
    submit          add tasks in bulk
    reduce          add one more task, which takes what the others have left
    node_lives      what has become of each node of a run's pools
    multi_instance  add one task that runs on several nodes at once
    wait            one poller per job
    subtasks        wait for a multi-instance task with its subtasks; fetch their files from the nodes
    outputs         outputs of tasks as inputs of further tasks
    collect         stdout, stderr and outputs, streamed to disk
    settling        the same where they stay in storage
    teardown        end a job, and wait until its teardown has run on its nodes
    secrets         secrets in variables of tasks
    cleanup         delete what a run has made
    earlier         what earlier runs have done, and what runs that have not ended are doing
    others          what another run has done so far
    batches         the stages for batches of inputs of a manifest
    ledger          how the tasks of a work have ended, in storage
    explain         why a job does not go on, and why tasks of it failed
    upkeep          find what runs have left, and delete what is over

Checks of an account, one after the other:
    batch_checks       the block, its Batch account, the image, jobs and pools
    storage_checks     its storage account: blobs and links
    management_checks  what Azure Resource Manager says: quotas
    clock_check        this machine's clock
    check_subject      what they are made on
    checks             what they find, and in what order they are made
    advice             what to do about it
    account_names      the names of an account as command lines need them

What they share, none of which imports Prefect:
    errors          the error tree
    records         what passes between stages: ids, names and counts
    run_record      what a run has made, and whether it lives
    formulas        formulas of pools, by scenario, and the ends of a lease
    identity        what names an input's content
    inputs          finding inputs: files, globs, directories, blobs, links
    web_links       inputs that are links of the web
    link_versions   what their servers say of what lies behind them
    manifest        the inputs of a run and what has become of each, in a file
    groups          several inputs for one task
    grouped_manifest  the manifest of groups
    parts           a part of the inputs: what one of several runs does
    sweeps          inputs that are values: sweeps and tables
    common_files    names of the files that every node of a multi-instance task gets
    program         a program checked and packed
    access          how nodes reach blobs: by an identity of theirs, or by links
    renewal         links of a pool's start task, made anew
    command         command templates and shell quoting
    launcher        launcher lines of the MPIs
    patterns        patterns of output files
    output_files    what a task uploads, and where it goes
    task_directory  what Batch itself puts into a task's directory
    secret_sources  where their values come from, as they are asked for
    names           ids made from what is run
    pool_request    a pool as the service is asked for it
    managed_pool    the same asked of Azure Resource Manager
    vm_sizes        VM sizes by what a node must have
    preflight       what can be seen of a run before it makes anything
    findings        what was seen: fine, doubtful, refused or unknown
    quotas          what the account may have and has
    requests        requests as a plan shows them
    prices          what VMs cost an hour, from a table
    price_list      Azure's public price list, for a newer table
    cost            what a run can cost, and what it has cost
    elevation       who runs what Batch starts on a node
    images          choice of a VM image
    adding          adding tasks in bulk, each answer looked at
    poller          the one poller of a job
    node_states     how many nodes are in which state
    scaling         what a pool that follows its load has decided on
    beside          work on a thread of its own, for as long as a context lasts
    intervals       growing pauses between looks
    conditions      why tasks wait: a table
    failures        why tasks fail: a table
    diagnosis       why tasks do not start
    node_files      files on nodes
    logs            the last lines of logs
    transfer        blobs to and from files
    stage           how a function becomes a Prefect task
"""
