"""Tables, figures and the verdicts on the paper's claims, made from estimates."""
