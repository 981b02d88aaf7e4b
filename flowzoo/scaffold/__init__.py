"""Makes the folder of a new plugin from the template beside this module."""
