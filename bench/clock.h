/*
 * clock.h
 *	  Wall and processor time of the programs of the benchmark, and how they wait.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <sys/resource.h>
#include <time.h>

/* Seconds. */
static inline double
wall_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static inline double
cpu_now(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		   (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* What a program does that looks again and again instead of sleeping. */
static inline void
pause_shortly(void)
{
#if defined(__x86_64__) || defined(__i386__)
	for (int i = 0; i < 20; i++)
		__builtin_ia32_pause();
#endif
}

#endif /* BENCH_CLOCK_H */
