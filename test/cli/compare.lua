-- compare.lua: does coir treat a command line as lua5.4 does?
--
--     lua5.4 test/cli/compare.lua COIR [TEXT]
--
-- Runs every command line of cases/*.lua under lua5.4 and under the program COIR, in which both are
-- called `lua`, and compares what they print, how they end, and what they say on stderr, of which
-- stderr.lua leaves out what may differ. With TEXT, only the cases whose titles contain it. Prints
-- every difference, then `N passed, M failed`; the exit status is 0 if none failed.

local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/?.lua;" .. package.path

local shape_of_stderr = require "stderr"

local reference = "lua5.4"
local candidate, wanted = arg[1], arg[2] or ""
local time_limit = 30

local groups = {
  "options", "arguments", "environment", "scripts", "errors", "tracebacks", "limits", "coroutines",
  "closing", "exit", "input_output", "process", "signals", "libraries", "modules", "interactive",
}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function capture(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read("a"):gsub("\n$", ""))
end

local function run(command)
  assert(os.execute(command))
end

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local sanitized = candidate and read_file(candidate):find("__asan_init", 1, true) ~= nil

local function write_file(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

--- Makes a place where one interpreter runs: its own copy of the scripts, and a `lua` on its PATH.
local function make_place(root, name, program)
  local place = root .. "/" .. name
  run("mkdir -p " .. quote(place .. "/bin") .. " " .. quote(place .. "/home"))
  run("cp -R " .. quote(here .. "/scripts") .. " " .. quote(place .. "/work"))
  run("ln -s " .. quote(program) .. " " .. quote(place .. "/bin/lua"))
  return place
end

local function full_path(program)
  local path = capture("command -v " .. quote(program) .. " && :")
  if path == "" then
    io.stderr:write("compare.lua: there is no program ", program, "\n")
    os.exit(2, true)
  end
  return capture("realpath " .. quote(path))
end

--- What the sanitizers of a program read of the environment.
local function sanitizer_options()
  local options = {}
  for _, name in ipairs { "ASAN_OPTIONS", "UBSAN_OPTIONS" } do
    local value = os.getenv(name)
    if value then options[#options + 1] = name .. "=" .. quote(value) end
  end
  return table.concat(options, " ")
end

--- Whether the case cannot run: a program with AddressSanitizer reserves terabytes of addresses.
local function impossible(case)
  return sanitized and case[2]:find("ulimit -v", 1, true)
end

--- Runs a case in a place.
--- @return table result stdout, stderr, how and status as from os.execute, late if it was stopped
local function try(place, case)
  write_file(place .. "/command", case[2] .. "\n")
  write_file(place .. "/stdin", case.stdin or "")
  local environment = ("PATH=%s HOME=%s LC_ALL=C TERM=dumb %s"):format(
    quote(place .. "/bin:/usr/bin:/bin"), quote(place .. "/home"), sanitizer_options())
  local streams = "<../stdin >../stdout 2>../stderr"
  local command = ("cd %s && env -i %s timeout -s KILL %d sh ../command %s"):format(
    quote(place .. "/work"), environment, time_limit, streams)
  local began = os.time()
  local _, how, status = os.execute(command)
  return {
    late = os.time() - began >= time_limit,
    how = how,
    status = status,
    stdout = read_file(place .. "/stdout"),
    stderr = read_file(place .. "/stderr"),
  }
end

--- @return string|nil difference what differs, if anything
local function difference(case, expected, actual)
  local expected_stderr = shape_of_stderr(expected.stderr, case.stderr)
  if expected.late or actual.late then
    return "time: not over after " .. time_limit .. " seconds"
  elseif expected.how ~= actual.how or expected.status ~= actual.status then
    return "exit status"
  elseif expected.stdout ~= actual.stdout then
    return "stdout"
  elseif expected_stderr ~= shape_of_stderr(actual.stderr, case.stderr) then
    return "stderr"
  end
end

local function show(name, result)
  local longest = 3000
  print(("  %s: %s %d"):format(name, result.how, result.status))
  for _, stream in ipairs { "stdout", "stderr" } do
    local text = result[stream]
    if #text > longest then
      text = text:sub(1, longest) .. "\n(" .. #text .. " bytes)"
    end
    for line in text:gmatch("[^\n]+") do
      print("    " .. stream .. "  " .. line)
    end
  end
end

local function run_group(name, places, counts)
  for _, case in ipairs(dofile(here .. "/cases/" .. name .. ".lua")) do
    if impossible(case) then
      print(("skipped  %s: %s (addresses cannot be limited under AddressSanitizer)"):format(name,
        case[1]))
    elseif case[1]:find(wanted, 1, true) then
      local expected, actual = try(places.reference, case), try(places.candidate, case)
      local what = difference(case, expected, actual)
      if what then
        counts.failed = counts.failed + 1
        print(("FAILED  %s: %s\n  differs: %s\n  command: %s"):format(name, case[1], what, case[2]))
        show(reference, expected)
        show(candidate, actual)
      else
        counts.passed = counts.passed + 1
      end
    end
  end
end

if not candidate then
  io.stderr:write("usage: lua5.4 compare.lua COIR [TEXT]\n")
  os.exit(2)
end

local root = capture("mktemp -d")
local _ <close> = setmetatable({}, { __close = function() run("rm -rf " .. quote(root)) end })
local places = {
  reference = make_place(root, "reference", full_path(reference)),
  candidate = make_place(root, "candidate", full_path(candidate)),
}
local counts = { passed = 0, failed = 0 }
for _, name in ipairs(groups) do
  run_group(name, places, counts)
end
print(("%d passed, %d failed"):format(counts.passed, counts.failed))
os.exit(counts.failed == 0, true)
