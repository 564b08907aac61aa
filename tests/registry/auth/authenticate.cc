// Judges tokens as platterd would. Usage: registry_authenticate CONFIG. Reads lines "TOKEN [SERVICE_TOKEN]" (TOKEN "-":
// none) and answers each with a line: "STATUS FIELD" for those who are nobody, "200 USER PROJECT ROLES admin|user" for
// others. A line "xN TOKEN" asks for it on N threads at once, and answers with what all of them got, or "mixed"; "dN
// TOKEN" for N different ones that begin with it. With "fN TOKEN" the N-th allocation fails; "threw" where that is all.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <iostream>
#include <new>
#include <sstream>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "tests/registry/auth/short_memory.h"
#include "tools/platterd/auth/keystone.h"
#include "tools/platterd/config/settings.h"

namespace platter::platterd {
namespace {

std::string Judge(Keystone& keystone, const std::string& token, const std::string& service) {
  http::Request request;
  if (token != "-") request.headers.Add("x-auth-token", token);
  if (!service.empty()) request.headers.Add("X-Service-Token", service);
  const auto verdict = keystone.Authenticate(request);
  if (const auto* answer = std::get_if<http::Response>(&verdict)) {
    return fmt::format("{} {}", answer->status, answer->headers.Find("Www-Authenticate").value_or("-"));
  }
  const auto& caller = std::get<registry::Caller>(verdict);
  return fmt::format("200 {} {} {} {}", caller.user, caller.project.value_or("-"), fmt::join(caller.roles, ","),
                     caller.admin ? "admin" : "user");
}

std::string JudgeAtOnce(Keystone& keystone, std::size_t count, const std::string& token, bool different) {
  std::vector<std::string> answers(count);
  std::vector<std::thread> threads;
  for (std::string& answer : answers) {
    const std::string asked = different ? fmt::format("{}{}", token, threads.size()) : token;
    threads.emplace_back([&keystone, &answer, asked] { answer = Judge(keystone, asked, ""); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& answer : answers) {
    if (answer != answers.front()) return "mixed";
  }
  return answers.front();
}

std::string JudgeWithoutMemory(Keystone& keystone, std::size_t nth, const std::string& token) {
  http::Request request;
  request.headers.Add("X-Auth-Token", token);
  unsigned status = 200;
  test::FailAllocation(nth);
  try {
    const auto verdict = keystone.Authenticate(request);
    if (const auto* answer = std::get_if<http::Response>(&verdict)) status = answer->status;
  } catch (const std::bad_alloc&) {
    status = 0;
  }
  test::FailAllocation(0);
  return status == 0 ? "threw" : std::to_string(status);
}

std::string Answer(Keystone& keystone, const std::string& first, const std::string& second) {
  const char how = first.empty() ? '-' : first.front();
  const bool numbered = first.size() > 1 && first.find_first_not_of("0123456789", 1) == std::string::npos;
  if (!numbered || (how != 'x' && how != 'd' && how != 'f')) return Judge(keystone, first, second);
  const std::size_t number = std::stoul(first.substr(1));
  return how == 'f' ? JudgeWithoutMemory(keystone, number, second) : JudgeAtOnce(keystone, number, second, how == 'd');
}

int Run(const std::string& file) {
  const auto settings = LoadSettings({file}, [](const char*) { return std::string("/nowhere"); });
  if (!settings.ok() || !settings.value().keystone) {
    fmt::print(stderr, "no Keystone in {}\n", file);
    return 1;
  }
  Keystone keystone(*settings.value().keystone, [](std::string_view text) { fmt::print(stderr, "{}\n", text); });
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string first;
    std::string second;
    words >> first >> second;
    fmt::print("{}\n", Answer(keystone, first, second));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace platter::platterd

int main(int argc, char** argv) { return argc == 2 ? platter::platterd::Run(argv[1]) : 2; }
