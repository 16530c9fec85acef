// What gcc's OpenMP takes for the constructs that benches/region.rs measures: nanoseconds, the minimum of many runs.
#include <omp.h>
#include <stdio.h>

enum { RUNS = 2000, ROUNDS = 100, NUMBERS = 100000 };

static double least(double before, double seconds) { return seconds < before ? seconds : before; }

int main(void) {
    double parallel = 1, barrier = 1, fixed = 1, dynamic = 1;
    volatile int sink = 0;
    for (int run = 0; run < RUNS; run++) {
        double began = omp_get_wtime();
        for (int round = 0; round < ROUNDS; round++) {
#pragma omp parallel num_threads(2)
            (void)sink;
        }
        parallel = least(parallel, (omp_get_wtime() - began) / ROUNDS);
    }
#pragma omp parallel num_threads(2)
    for (int run = 0; run < RUNS; run++) {
        double began = omp_get_wtime();
        for (int round = 0; round < ROUNDS; round++) {
#pragma omp barrier
        }
        double seconds = (omp_get_wtime() - began) / ROUNDS;
        began = omp_get_wtime();
        for (int round = 0; round < ROUNDS; round++) {
#pragma omp for schedule(static)
            for (int number = 0; number < 2; number++) (void)sink;
        }
        double loops = (omp_get_wtime() - began) / ROUNDS;
#pragma omp critical
        {
            barrier = least(barrier, seconds);
            fixed = least(fixed, loops);
        }
#pragma omp barrier
    }
    for (int run = 0; run < RUNS / 20; run++) {
        double began = omp_get_wtime();
#pragma omp parallel for num_threads(2) schedule(dynamic, 1)
        for (int number = 0; number < NUMBERS; number++) (void)sink;
        dynamic = least(dynamic, (omp_get_wtime() - began) / NUMBERS);
    }
    printf("%f %f %f %f\n", parallel * 1e9, barrier * 1e9, fixed * 1e9, dynamic * 1e9);
}
