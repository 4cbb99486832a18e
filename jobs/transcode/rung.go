package transcode

// Rung chooses from a ladder, which has a job file or template by height in
// pixels, the greatest rung that isn't above the source, so that nothing is scaled
// up. The height of a portrait source is its width. A source below all rungs gets
// the lowest, and that one is scaled up. It is empty for an empty ladder.
func Rung(ladder map[int]string, width, height int) string {
	side := height
	if width > 0 && width < height {
		side = width
	}
	lowest, best := 0, 0
	for rung := range ladder {
		if lowest == 0 || rung < lowest {
			lowest = rung
		}
		if rung <= side && rung > best {
			best = rung
		}
	}
	if best == 0 {
		best = lowest
	}
	return ladder[best]
}
