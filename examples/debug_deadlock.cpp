// Two transfers between two accounts: each locks the account it takes from, then the other one.
// (noinline: so that reports show the function.)

#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/task.hpp>

namespace {

struct account {
  ringo::mutex lock;
  int balance = 100;
};

[[gnu::noinline]] void transfer(account& from, account& to, int amount) {
  from.lock.lock();
  ringo::yield();  // in a larger program: whatever takes time
  to.lock.lock();
  from.balance -= amount;
  to.balance += amount;
  to.lock.unlock();
  from.lock.unlock();
}

[[gnu::noinline]] void settle() {
  account ours;
  account theirs;
  auto there = ringo::spawn({.name = "there"}, [&] { transfer(ours, theirs, 10); });
  auto back = ringo::spawn({.name = "back"}, [&] { transfer(theirs, ours, 5); });
  there.join();
  back.join();
}

}  // namespace

int main() {
  ringo::run({.workers = 1}, settle);  // with more, only now and then
}
