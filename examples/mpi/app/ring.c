/* ring.py in C: the same options, the same output. See there for what it does.
 *
 *     mpicc -Wall -Wextra -O2 -o ring ring.c
 *     mpirun -np 3 ./ring [--fail-rank R [--exit-code C]] [FILE ...]
 */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_NUMBER = 11, USAGE_ERROR = 2, HOST_LENGTH = 256 };

static int rank, size;

/* A rank that only left would keep the others waiting for ever: MPI_Abort ends them all. */
static void fail(int code)
{
    MPI_Abort(MPI_COMM_WORLD, code);
    exit(code);
}

static int parse_number(const char *text, int least, int most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < least || value > most) {
        fprintf(stderr, "ring: '%s' is not a number from %d to %d\n", text, least, most);
        fail(USAGE_ERROR);
    }
    return (int)value;
}

/* Returns the index of the first file among the arguments. */
static int parse_arguments(int argc, char **argv, int *fail_rank, int *exit_code)
{
    static const struct option options[] = {
        {"fail-rank", required_argument, NULL, 'r'}, {"exit-code", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0}};
    int option;
    *fail_rank = -1;
    *exit_code = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'r')
            *fail_rank = parse_number(optarg, INT_MIN, INT_MAX);
        else if (option == 'c')
            *exit_code = parse_number(optarg, 1, 255);
        else
            fail(USAGE_ERROR);
    }
    return optind;
}

static void introduce(int argc, char **argv)
{
    char host[HOST_LENGTH] = "";
    const char *node = getenv("AZ_BATCH_NODE_ID");
    gethostname(host, sizeof host - 1);
    printf("rank = %d and size = %d on %s (%s)\n", rank, size, host, node ? node : "-");
    printf("argc =%d from %d\n", argc, rank);
    for (int i = 0; i < argc; i++)
        printf("argv[%d] = %s\n", i, argv[i]);
}

/* Prints a file; its last line gets an end if it has none. */
static void print_file(const char *name)
{
    FILE *file = fopen(name, "rb");
    char *line = NULL;
    size_t space = 0;
    ssize_t length;
    if (!file) {
        fprintf(stderr, "ring: cannot read %s: %s\n", name, strerror(errno));
        fail(1);
    }
    while ((length = getline(&line, &space, file)) > 0) {
        if (line[length - 1] != '\n')
            line[length++] = '\n'; /* in place of the NUL */
        fwrite(line, 1, length, stdout);
    }
    free(line);
    fclose(file);
}

/* Takes the number from the rank before, adds one, sends it to the rank after; returns the number that left. */
static int pass_on(void)
{
    int number = FIRST_NUMBER;
    if (rank > 0) {
        printf("process %d receiving now\n", rank);
        MPI_Recv(&number, 1, MPI_INT, rank - 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        printf("Process %d received number %d from process %d\n", rank, number, rank - 1);
        number++;
    }
    if (rank < size - 1) {
        printf("process %d sending\n", rank);
        MPI_Send(&number, 1, MPI_INT, rank + 1, 0, MPI_COMM_WORLD);
    }
    return number;
}

int main(int argc, char **argv)
{
    int fail_rank, exit_code, total = -1;
    /* Each line is one write, so that the ranks' lines mix but are not cut. */
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);

    introduce(argc, argv);
    for (int i = parse_arguments(argc, argv, &fail_rank, &exit_code); i < argc; i++)
        print_file(argv[i]);
    int number = pass_on();
    if (rank == fail_rank) {
        fprintf(stderr, "process %d fails with exit code %d\n", rank, exit_code);
        fail(exit_code);
    }
    MPI_Reduce(&number, &total, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    printf("Total sum = %d\n", total);

    MPI_Finalize();
    return 0;
}
