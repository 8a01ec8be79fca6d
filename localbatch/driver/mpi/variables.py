"""Names of the variables by which the programs of this package find each other and their node."""

LAUNCH_DIRECTORY = "LOCALBATCH_LAUNCH"
"""Directory with a socket for each node of the task, by address and by host name."""

NODE_VARIABLES = "LOCALBATCH_NODE"
"""Variables of the node as JSON, in commands that came from another node: launchers put the caller's over them."""

OPEN_MPI_MEMORY = "OMPI_MCA_btl_vader_backing_directory"
"""Directory of what the ranks of one node share, in Open MPI 4."""

RANK_CODES = "LOCALBATCH_RANK_CODES"
"""File to which ranks that fail write their exit codes, one to a line."""
