// Judges tokens as platterd would. Usage: registry_authenticate CONFIG. Reads lines "TOKEN [SERVICE_TOKEN]" (TOKEN "-":
// none) and answers each with a line: "STATUS FIELD" for those who are nobody, "200 USER PROJECT ROLES admin|user" for
// others. A line "xN TOKEN" asks for it on N threads at once, and answers with what all of them got, or "mixed".
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <variant>
#include <vector>

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

std::string JudgeAtOnce(Keystone& keystone, std::size_t count, const std::string& token) {
  std::vector<std::string> answers(count);
  std::vector<std::thread> threads;
  for (std::string& answer : answers) threads.emplace_back([&] { answer = Judge(keystone, token, ""); });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& answer : answers) {
    if (answer != answers.front()) return "mixed";
  }
  return answers.front();
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
    const bool many = first.starts_with('x');
    fmt::print("{}\n",
               many ? JudgeAtOnce(keystone, std::stoul(first.substr(1)), second) : Judge(keystone, first, second));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace platter::platterd

int main(int argc, char** argv) { return argc == 2 ? platter::platterd::Run(argv[1]) : 2; }
