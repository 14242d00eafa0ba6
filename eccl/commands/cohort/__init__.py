"""Commands of panel Cohort."""
