package faces

import (
	"math"
	"math/rand/v2"
	"testing"
)

// best tries every way to pair: as many pairs as can be, then the cheapest.
func best(cost [][]float64, row int, taken map[int]bool) (pairs int, sum float64) {
	if row == len(cost) {
		return 0, 0
	}
	pairs, sum = best(cost, row+1, taken)
	for j, c := range cost[row] {
		if taken[j] || math.IsInf(c, 1) {
			continue
		}
		taken[j] = true
		p, s := best(cost, row+1, taken)
		delete(taken, j)
		if p+1 > pairs || p+1 == pairs && s+c < sum {
			pairs, sum = p+1, s+c
		}
	}
	return pairs, sum
}

func TestAssignIsOptimal(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 2))
		cost := make([][]float64, rng.IntN(6))
		columns := rng.IntN(6)
		for i := range cost {
			cost[i] = make([]float64, columns)
			for j := range cost[i] {
				if cost[i][j] = rng.Float64() * 5; rng.IntN(3) == 0 {
					cost[i][j] = math.Inf(1)
				}
			}
		}
		pairs, sum := 0, 0.0
		taken := map[int]bool{}
		for i, j := range assign(cost) {
			if j < 0 {
				continue
			}
			if taken[j] || math.IsInf(cost[i][j], 1) {
				t.Fatalf("seed %d: row %d has column %d", seed, i, j)
			}
			taken[j] = true
			pairs++
			sum += cost[i][j]
		}
		if wantPairs, want := best(cost, 0, map[int]bool{}); pairs != wantPairs || math.Abs(sum-want) > 1e-6 {
			t.Fatalf("seed %d: %d pairs of %v, the best are %d of %v", seed, pairs, sum, wantPairs, want)
		}
	}
}
