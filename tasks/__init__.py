"""The stages of work on Azure Batch, each a plain function and its Prefect task.

Stages, in the order a run goes through them:
    upload        inputs to blobs, named by their content, so that nothing is sent twice
    application   a program: shipped with the job, or published as an application package
    pool          create a pool, or check one that exists
    job           create a job; end it when all its tasks have ended
    submit        add tasks in bulk
    wait          one poller per job
    collect       stdout, stderr and outputs, streamed to disk
    cleanup       delete what a run has made

What they share, none of which imports Prefect:
    errors        the error tree
    records       what passes between stages: ids, names and counts
    inputs        finding inputs: files, globs, directories, blobs
    program       a program checked and packed
    links         links that nodes read and write blobs by
    command       command templates and shell quoting
    names         ids made from what is run
    images        choice of a VM image
    poller        the one poller of a job
    transfer      blobs to and from files
    stage         how a function becomes a Prefect task
"""
