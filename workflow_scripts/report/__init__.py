"""From estimates to what people read: tables, figures and the verdicts on the paper's claims."""
