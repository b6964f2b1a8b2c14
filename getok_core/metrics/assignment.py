"""The best one-to-one pairing: the Hungarian method with prices on rows and columns, one augmenting path a row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_pairs(merit: NDArray[np.float64]) -> list[tuple[int, int]]:
    """(row, column) of the pairing of merit (T, D) with the largest sum, by rows; it uses up the shorter side."""
    if merit.shape[0] > merit.shape[1]:
        return sorted((row, column) for column, row in best_pairs(np.transpose(merit)))
    cost, (rows, columns) = -np.asarray(merit, np.float64), merit.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    for new in range(rows):
        least, before = np.full(columns, np.inf), np.full(columns, -1)
        left, row, last = np.ones(columns, np.bool_), new, -1
        while row >= 0:
            # Shortest path from the new row to a free column, over columns in the order of their distance.
            slack = cost[row] - row_price[row] - column_price
            nearer = left & (slack < least)
            least[nearer], before[nearer] = slack[nearer], last
            last = int(np.where(left, least, np.inf).argmin())
            step = least[last]
            reached = ~left
            row_price[[new, *row_of[reached]]] += step
            column_price[reached] -= step
            least[left] -= step
            left[last] = False
            row = int(row_of[last])
        while before[last] >= 0:
            row_of[last], last = row_of[before[last]], int(before[last])
        row_of[last] = new
    return sorted((int(row), column) for column, row in enumerate(row_of) if row >= 0)
