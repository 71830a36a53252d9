#include "moraine/cli/run.h"

int main(int argc, char** argv) { return moraine::cli::Run(argc, argv); }
