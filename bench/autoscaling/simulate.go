package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Times are in seconds from midnight.
const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour
)

// A fleet is how the template's service scales.
type fleet struct {
	least, most int
	// target is the backlog for each task that is aimed at: BacklogPerTask. 0 is a
	// fleet that does not scale, of size most.
	target float64
	// byRunning divides the backlog by the tasks that run, as AWS's example does, and
	// not by those that are wished for. Target tracking multiplies by the latter.
	byRunning bool
}

// How target tracking and Fargate behave.
// https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
const (
	startTime    = 75          // of a task, from the wish to its first receive
	outAfter     = 3           // minutes above the target
	inAfter      = 15          // minutes below nine tenths of it
	inShare      = 0.9         //
	outCooldown  = 1           // minutes, ScaleOutCooldown
	inCooldown   = 5           // minutes, ScaleInCooldown
	metricDelay  = 1           // minutes until SQS's figures are in CloudWatch
	quietRate    = 4.0 / hour  // uploads at night
	busyRate     = 55.0 / hour // more of them at the peak in the evening
	burstAt      = 11 * hour   // somebody uploads a whole season
	burstUploads = 120
	burstTime    = 5 * minute
	medianWork   = 3 * minute // of a job
	workSpread   = 0.8        // of its logarithm
)

// arrivals are the times of a day's uploads, and how long each is worked.
func arrivals(random *rand.Rand) (at, work []int) {
	for t := range day {
		// The quietest hour is at seven in the morning, the busiest at seven in the evening.
		rate := quietRate + busyRate*math.Pow((1-math.Cos(2*math.Pi*float64(t-7*hour)/day))/2, 2)
		if t >= burstAt && t < burstAt+burstTime {
			rate += burstUploads / float64(burstTime)
		}
		if random.Float64() < rate { // at most one a second
			at = append(at, t)
			work = append(work, max(5, int(medianWork*math.Exp(workSpread*random.NormFloat64()))))
		}
	}
	return at, work
}

// A minuteOf is what a dashboard would show.
type minuteOf struct{ backlog, working, tasks, wait float64 }

// A course is what became of a day.
type course struct {
	minutes   []minuteOf
	waits     []int // seconds from upload to receive, sorted
	taskHours float64
	workHours float64
	peak      int // tasks
}

// simulate lets a fleet work a day's uploads, second by second, and on until all is
// done.
func simulate(f fleet, at, work []int) course {
	var (
		c         course
		waiting   []int // indices
		busyUntil []int // of each running task; 0: idle
		starting  []int // when each is ready
		desired   = f.least
		history   []float64
		high, low int
		lastOut   = math.MinInt / 2
		lastIn    = math.MinInt / 2
		next      int
	)
	if f.target == 0 {
		desired = f.most
	}
	for range desired {
		busyUntil = append(busyUntil, 0)
	}
	working := func(t int) (n int) {
		for _, until := range busyUntil {
			if until > t {
				n++
			}
		}
		return n
	}
	for t := 0; t < day || len(waiting) > 0 || working(t) > 0; t++ {
		for ; next < len(at) && at[next] == t; next++ {
			waiting = append(waiting, next)
		}
		starting = slices.DeleteFunc(starting, func(ready int) bool {
			if ready <= t {
				busyUntil = append(busyUntil, 0)
			}
			return ready <= t
		})
		// Fewer are wished for: what is idle goes. What works is protected.
		for i := 0; i < len(busyUntil) && len(busyUntil)+len(starting) > desired; {
			if busyUntil[i] <= t {
				busyUntil = slices.Delete(busyUntil, i, i+1)
			} else {
				i++
			}
		}
		for i, until := range busyUntil {
			if until <= t && len(waiting) > 0 {
				job := waiting[0]
				waiting = waiting[1:]
				busyUntil[i] = t + work[job]
				c.waits = append(c.waits, t-at[job])
			}
		}
		for len(busyUntil)+len(starting) < desired {
			starting = append(starting, t+startTime)
		}
		c.taskHours += float64(len(busyUntil)+len(starting)) / hour // Fargate counts from the pull of the image
		c.workHours += float64(working(t)) / hour
		c.peak = max(c.peak, len(busyUntil))
		if t%minute != 0 {
			continue
		}
		oldest := 0
		if len(waiting) > 0 {
			oldest = t - at[waiting[0]]
		}
		c.minutes = append(c.minutes, minuteOf{float64(len(waiting)), float64(working(t)), float64(len(busyUntil)), float64(oldest) / minute})
		tasks := desired
		if f.byRunning {
			tasks = len(busyUntil)
		}
		history = append(history, float64(len(waiting)+working(t))/float64(max(1, tasks)))
		if f.target == 0 || len(history) <= metricDelay {
			continue
		}
		metric, now := history[len(history)-1-metricDelay], t/minute
		high, low = high+1, low+1
		if metric <= f.target {
			high = 0
		}
		if metric >= inShare*f.target {
			low = 0
		}
		wanted := min(f.most, max(f.least, int(math.Ceil(float64(desired)*metric/f.target))))
		switch {
		case high >= outAfter && wanted > desired && now-lastOut >= outCooldown:
			desired, lastOut = wanted, now
		case low >= inAfter && wanted < desired && now-max(lastIn, lastOut) >= inCooldown:
			desired, lastIn = wanted, now
		}
	}
	slices.Sort(c.waits)
	return c
}

// wait is how long that share of the uploads waited at the most, in minutes.
func (c course) wait(share float64) float64 {
	return float64(c.waits[min(len(c.waits)-1, int(share*float64(len(c.waits))))]) / minute
}
