"""`headgate`, also `kubectl headgate`: the command line.

It asks the API server with the user's own kubeconfig and rights, through `headgate.client`, and decides nothing. One
file a verb; what verbs have in common is the frame: `verb` (connection, errors, exit codes), `options` and `output`.
Where kubectl has a habit it is kept: names of options, tables, messages, what goes to stderr.
"""
