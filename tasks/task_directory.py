"""What Batch itself puts into a task's directory. Source: "Files and directories in Azure Batch", Microsoft Learn."""

STDOUT = "stdout.txt"
STDERR = "stderr.txt"
WORKING_DIRECTORY = "wd"
BATCH_FILES = frozenset({STDOUT, STDERR, "fileuploadout.txt", "fileuploaderr.txt"})
BATCH_DIRECTORIES = frozenset({WORKING_DIRECTORY, "certs"})
