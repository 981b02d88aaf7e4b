"""The zoo's registry: finds plugins, looks components up, checks their options, builds and saves models."""
