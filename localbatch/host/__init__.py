"""The processes around the service, and what is installed for them.

foreground      runs the service and Azurite until told to stop
ending          the moment it is told to
azurite         the Blob service: starting it
azurite_cache   ... installing it once
npm_packages    the npm that installs it; npm/ holds what is to be installed
mpi_runtime     the MPI that nodes have
cache           what is installed once into the user's cache
serving         how servers are set up
connections     connections that can't be held on to
faults          answers that come late or fail, on request
relay           what stands before Azurite then
simulation_file the file that describes a simulation
"""
