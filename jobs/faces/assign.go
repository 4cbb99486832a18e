package faces

import "math"

// assign pairs rows with columns so that the sum of their costs is least, and
// returns the column of each row, -1 for none. Pairs that can't be have an
// infinite cost. It is the Hungarian method with potentials, O(rows² × columns): the
// shorter side should be the rows.
//
// H. W. Kuhn, The Hungarian Method for the Assignment Problem, 1955; in the form
// of R. Jonker and A. Volgenant, 1987.
func assign(cost [][]float64) []int {
	rows := len(cost)
	if rows == 0 {
		return nil
	}
	columns := len(cost[0])
	// A row of its own column costs more than any pair, so that as many rows as
	// possible are paired, and none with what can't be.
	const alone = 1e6
	wide := columns + rows
	at := func(row, column int) float64 {
		if column >= columns {
			return alone
		}
		if c := cost[row][column]; !math.IsInf(c, 1) {
			return c
		}
		return 2 * alone
	}

	// Row and column 0 are of the method; the problem's begin at 1.
	u, v := make([]float64, rows+1), make([]float64, wide+1)
	rowOf, way := make([]int, wide+1), make([]int, wide+1)
	least, used := make([]float64, wide+1), make([]bool, wide+1)
	for row := 1; row <= rows; row++ {
		rowOf[0] = row
		for j := range least {
			least[j], used[j] = math.Inf(1), false
		}
		column := 0
		for rowOf[column] != 0 {
			used[column] = true
			next, delta := 0, math.Inf(1)
			for j := 1; j <= wide; j++ {
				if used[j] {
					continue
				}
				if c := at(rowOf[column]-1, j-1) - u[rowOf[column]] - v[j]; c < least[j] {
					least[j], way[j] = c, column
				}
				if least[j] < delta {
					next, delta = j, least[j]
				}
			}
			for j := range used {
				if used[j] {
					u[rowOf[j]] += delta
					v[j] -= delta
				} else {
					least[j] -= delta
				}
			}
			column = next
		}
		for column != 0 {
			before := way[column]
			rowOf[column], column = rowOf[before], before
		}
	}

	pairs := make([]int, rows)
	for i := range pairs {
		pairs[i] = -1
	}
	for j := 1; j <= columns; j++ {
		if rowOf[j] != 0 && !math.IsInf(cost[rowOf[j]-1][j-1], 1) {
			pairs[rowOf[j]-1] = j - 1
		}
	}
	return pairs
}
