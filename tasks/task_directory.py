"""What lies in a task's directory. Source: "Files and directories in Azure Batch", Microsoft Learn."""

STDOUT = "stdout.txt"
STDERR = "stderr.txt"
EXIT_CODE = "exit-code.txt"
"""Ours: how a program ended some of whose exit codes count as success."""
APPLICATION_BEGAN = ".application-began"
"""Ours: when the application command of a multi-instance task began, in seconds since 1970."""
WORKING_DIRECTORY = "wd"
BATCH_FILES = frozenset({STDOUT, STDERR, "fileuploadout.txt", "fileuploaderr.txt"})
BATCH_DIRECTORIES = frozenset({WORKING_DIRECTORY, "certs"})
