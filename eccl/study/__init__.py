"""The experiment table: arms, jobs, scores, Table 1 and figures."""
