-- reference_test.lua: is doc/reference.md true? Every function of the modules must have an entry and every
-- entry a function; and each is called to see whether it waits and whether it is a cancellation point.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path
local calls = require 'calls'
local dns = require 'coir.dns'
local errno = require 'coir.errno'
local fiber = require 'coir.fiber'
local reference = require 'reference'
local socket = require 'coir.socket'
local tarantool = require 'coir.compat.tarantool'
local test = require 'test'

local entries = reference.read(here .. '../../doc/reference.md')

-- -- What the modules have ----------------------------------------------------------------------------

local present = {}

local function add_all(prefix, names)
  for name in pairs(names) do
    if type(name) == 'string' and not name:find('^__') then present[prefix .. name] = true end
  end
end

--- The methods that an object finds.
local function methods_of(object)
  local index = getmetatable(object).__index
  local methods = {}
  for name, value in pairs(index) do
    if type(value) == 'function' then methods[name] = value end
  end
  return methods
end

local some_socket = socket('AF_INET', 'SOCK_STREAM')

add_all('fiber.', fiber)
add_all('f:', methods_of(fiber.self()))
add_all('cond:', methods_of(fiber.cond()))
add_all('channel:', methods_of(fiber.channel()))
add_all('mutex:', methods_of(fiber.mutex()))
add_all('semaphore:', methods_of(fiber.semaphore(0)))
add_all('group:', methods_of(fiber.wait_group()))
add_all('socket.', socket)
add_all('socket.dns.', socket.dns)
add_all('unix.', socket.unix)
add_all('tcp:', methods_of(socket.tcp()))
add_all('udp:', methods_of(socket.udp()))
add_all('s:', methods_of(some_socket))
add_all('rbuf:', methods_of(some_socket.rbuf))
add_all('dns.', dns)
add_all('coir.', require 'coir')
add_all('tarantool.', tarantool)
for name, value in pairs(getmetatable(errno).__index) do
  if type(value) == 'function' then present['errno.' .. name] = true end
end
-- Callable modules, and fields that no table shows.
for _, name in ipairs { 'errno', 'socket', 'f.storage', 's.rbuf' } do present[name] = true end

test.case('everything that the modules have has an entry', function()
  local missing = {}
  for name in pairs(present) do
    if not entries[name] then missing[#missing + 1] = name end
  end
  table.sort(missing)
  test.equal(missing, {})
end)

test.case('everything that has an entry is there', function()
  local invented = {}
  for name in pairs(entries) do
    if not present[name] then invented[#invented + 1] = name end
  end
  table.sort(invented)
  test.equal(invented, {})
end)

test.case('the socket module for Tarantool\'s scripts has what the native one has', function()
  for name in pairs(socket) do test.ok(tarantool.socket[name] ~= nil, name) end
  for name in pairs(tarantool.socket) do test.ok(socket[name] ~= nil, name) end
end)

test.case('every entry has the five lines, in their order', function()
  local wrong = {}
  for name, entry in pairs(entries) do
    local labels = table.concat(entry.labels, ', ')
    if labels ~= 'Arguments, Results, Errors, Waits, Cancellation point' then
      wrong[#wrong + 1] = name .. ': ' .. labels
    end
  end
  test.equal(wrong, {})
end)

-- -- Waiting and cancellation -------------------------------------------------------------------------

test.case('for everything that has an entry there is a call to try it with', function()
  local missing = {}
  for name in pairs(entries) do
    if not calls[name] then missing[#missing + 1] = name end
  end
  table.sort(missing)
  test.equal(missing, {})
end)

--- Calls it in a fiber that has been cancelled. True when that raised the cancellation.
local function raises_in_cancelled(call)
  local raised
  local one = fiber.spawn(function()
    local run = call()
    pcall(fiber.cancel, fiber.self())
    local ok, problem = pcall(run)
    raised = not ok and fiber.is_cancelled(problem)
  end)
  assert(one:join(20))
  return raised
end

--- Calls it. True when its fiber was left meanwhile.
local function leaves(call)
  local left
  local one = fiber.spawn(function()
    local run = call()
    local before = fiber.self():csw()
    run()
    left = fiber.self():csw() > before
  end)
  assert(one:join(20))
  return left
end

local function each_entry(label, check)
  local wrong = {}
  for name, entry in pairs(entries) do
    local said = entry[label]
    if calls[name] and not check(said, calls[name]) then wrong[#wrong + 1] = name .. ': ' .. said end
  end
  table.sort(wrong)
  test.equal(wrong, {})
end

test.case('what is said to be a cancellation point is one, and nothing else', function()
  each_entry('Cancellation point', function(said, call)
    local is_one = said:find('^yes') or said:find('^in waiting mode')
    return raises_in_cancelled(call) == (is_one ~= nil)
  end)
end)

test.case('what is said not to wait does not', function()
  each_entry('Waits', function(said, call) return said ~= 'no.' or not leaves(call) end)
end)

test.case('what waits in waiting mode neither waits nor is a cancellation point in immediate mode', function()
  for name, entry in pairs(entries) do
    if entry['Waits']:find('^in waiting mode') then
      test.ok(calls.immediate[name], name)
      test.ok(not raises_in_cancelled(calls.immediate[name]), name)
      test.ok(not leaves(calls.immediate[name]), name)
    end
  end
end)

-- -- Tables -------------------------------------------------------------------------------------------

test.case('the table of socket options lists what this system has', function()
  local listed = reference.options(here .. '../../doc/reference.md')
  local linux = io.open('/proc/version') ~= nil
  for level, options in pairs(socket.internal.SO_OPT) do
    for name in pairs(options) do
      test.ok(listed[name] or not linux, name .. ' is not listed')
      listed[name] = nil
    end
    test.ok(math.type(level) == 'integer')
  end
  if linux then test.equal(listed, {}) end
end)

test.case('an option that is said to be only for reading, or only for setting, is', function()
  local s = socket('AF_INET6', 'SOCK_STREAM')
  for name, access in pairs(reference.options(here .. '../../doc/reference.md')) do
    for level, options in pairs(socket.internal.SO_OPT) do
      if options[name] and name ~= 'SO_LINGER' then
        local ok, problem = pcall(s.setsockopt, s, level, name, 1)
        local read_only = not ok and problem:find('is read only', 1, true) ~= nil
        test.equal({ name, read_only }, { name, access == 'r' })
        if access == 'w' then test.equal({ name, select(3, s:getsockopt(level, name)) }, { name, errno.ENOPROTOOPT }) end
      end
    end
  end
end)

test.case('the list of error names is the one of this system', function()
  if not io.open('/proc/version') then return test.skip('the list of error names', 'not Linux') end
  local listed = reference.error_names(here .. '../../doc/reference.md')
  for name, value in pairs(getmetatable(errno).__index) do
    if math.type(value) == 'integer' then
      test.ok(listed[name], name .. ' is not listed')
      listed[name] = nil
    end
  end
  test.equal(listed, {})
end)

test.finish()
