// Command leak measures for how many frames a face can be seen: on trajectories
// of faces that it knows, sampled every 500 ms with the errors of a detector. It
// prints the figures of mosaicd's tracks beside those of the plain method, which
// goes straight from one sample to the next.
//
//	make bench
//	go run ./bench/leak -seeds 50
package main

import (
	"flag"
	"fmt"

	"github.com/mosaicd/mosaicd/jobs/faces"
)

func main() {
	n := flag.Int("seeds", 20, "how many different videos of each kind")
	margin := flag.Float64("margin", faces.DefaultMargin, "how much each box grows on every side")
	flag.Parse()
	names, ours, theirs := run(checking(*n), *margin)
	fmt.Printf("%d videos of 30 s of each kind, samples every %s ± %s, edges ± %g %%, %g %% missed, margin %g\n", *n, sampleEvery, timeJitter, 100*boxJitter, 100*missed, *margin)
	fmt.Printf("%-16s | %-32s | %-32s\n", "", "mosaicd", "plain")
	fmt.Printf("%-16s | %10s %10s %10s | %10s %10s %10s\n", "", "covered", "worst", "over", "covered", "worst", "over")
	for _, name := range names {
		a, b := ours[name], theirs[name]
		fmt.Printf("%-16s | %8.3f %% %8.1f %% %10.2f | %8.3f %% %8.1f %% %10.2f\n", name,
			100*a.share(), 100*a.worst, a.over(), 100*b.share(), 100*b.worst, b.over())
	}
}

// checking are seeds that the tracks were not tuned with: those begin at 1,000.
func checking(n int) []uint64 {
	var seeds []uint64
	for i := range n {
		seeds = append(seeds, uint64(5000+i))
	}
	return seeds
}
