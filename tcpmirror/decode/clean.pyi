class CleanTexts:
    """Its methods are for compiled callers."""
