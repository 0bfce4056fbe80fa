// A fixed number of workers takes jobs from one channel and puts results on another. The first
// error stops the work: no further job is handed out, and every fiber ends before the program does.
// Run: worker_pool 27 97 871 (prints how many Collatz steps each number takes to reach 1)

#include <charconv>
#include <cstdint>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <ringo/ringo.hpp>

namespace {

struct outcome {
  std::string job;
  ringo::result<int> steps;
};

ringo::result<int> collatz_steps(const std::string& job) {
  std::uint64_t n = 0;
  const char* end = job.data() + job.size();
  if (auto parsed = std::from_chars(job.data(), end, n); parsed.ptr != end || n == 0) {
    return std::make_error_code(std::errc::invalid_argument);
  }
  int steps = 0;
  for (; n != 1; ++steps) n = n % 2 == 0 ? n / 2 : 3 * n + 1;
  return steps;
}

int solve(const std::vector<std::string>& arguments, int workers) {
  auto jobs = ringo::make_chan<std::string>();
  auto outcomes = ringo::make_chan<outcome>();
  auto stop = ringo::make_chan<void>();  // closed, never sent on: a close reaches everyone

  ringo::wait_group producers;
  producers.go([&] {
    for (const auto& job : arguments) {
      if (ringo::select(ringo::send(jobs, job), ringo::recv(stop)) == 1) break;
    }
    jobs.close();
  });
  for (int i = 0; i < workers; ++i) {
    producers.go([&] {
      for (const auto& job : jobs) outcomes.send({job, collatz_steps(job)});
    });
  }
  auto closer = ringo::spawn([&] {
    producers.wait();
    outcomes.close();
  });

  std::map<std::string, int> steps;
  std::string failure;
  for (const auto& [job, result] : outcomes) {  // to the end, so that no worker is left sending
    if (result) {
      steps[job] = *result;
    } else if (failure.empty()) {
      failure = job + ": " + result.error().message();
      stop.close();
    }
  }
  closer.join();

  if (!failure.empty()) {
    std::cerr << "worker_pool: " << failure << '\n';
    return 1;
  }
  for (const auto& [job, count] : steps) std::cout << job << ": " << count << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return ringo::run([&] { return solve(arguments, 4); });
}
