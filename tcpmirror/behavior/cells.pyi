CELLS: int
