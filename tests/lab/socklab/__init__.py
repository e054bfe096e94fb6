"""The lab: hosts of a state file as namespaces with real switches."""
