"""How things are shown: tables and pages for people, JSON, YAML and names for programs."""
