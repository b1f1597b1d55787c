"""The DAG of a data set: ``dag`` is Airflow's part of it, ``work`` the kit's, ``notices`` are for people."""
