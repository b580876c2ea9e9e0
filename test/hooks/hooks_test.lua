-- hooks_test.lua FOLDER: how fibers that wait in a C library live with the others.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '../lua/?.lua;' .. package.path
package.cpath = arg[1] .. '/?.so;' .. package.cpath
local child = require 'child'
local coir = require 'coir'
local errno = require 'errno'
local fiber = require 'fiber'
local library = require 'scenarios'
local test = require 'test'

--- How often the calls of a function have parked a fiber so far.
local function parked(name) return coir.hooks()[name].parked end

--- Starts a fiber that runs until it waits in the library.
local function start(f, ...)
  local one = fiber.spawn(f, ...)
  fiber.yield()
  return one
end

local function join(one)
  local results = table.pack(one:join(10))
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- Runs a script with the library.
local function run(text, ...)
  return child.run(('package.cpath = %q .. package.cpath\n'):format(arg[1] .. '/?.so;') .. [[
    local coir, fiber, library = require 'coir', require 'fiber', require 'scenarios'
  ]] .. text, ...)
end

-- -- Many fibers ----------------------------------------------------------------------------------

test.case('a hundred fibers wait in recv side by side', function()
  local fibers, ends, before = {}, {}, parked 'recv'
  for i = 1, 100 do
    local left, right = library.pair()
    ends[i] = { left, right }
    fibers[i] = fiber.spawn(library.recv, left)
  end
  fiber.yield()
  for i = 100, 1, -1 do library.send(ends[i][2], 'number ' .. i) end
  for i = 1, 100 do
    test.equal(join(fibers[i]), 'number ' .. i)
    library.close(ends[i][1])
    library.close(ends[i][2])
  end
  test.equal(parked 'recv' - before, 100)
end)

test.case('of two fibers at one descriptor poll tells both, recv gives the bytes to one', function()
  local left, right = library.pair()
  local one, other = start(library.poll, left, -1), start(library.poll, left, -1)
  library.send(right, 'x')
  test.equal({ join(one), join(other), library.recv(left) }, { 1, 1, 'x' })
  one, other = start(library.recv, left), start(library.recv, left)
  library.send(right, 'y')
  test.eventually(function() return one:status() == 'dead' or other:status() == 'dead' end)
  test.settle()
  test.ok(one:status() ~= other:status())
  library.send(right, 'z')
  test.equal(join(one) ~= join(other), true)
  library.close(left)
  library.close(right)
end)

test.case('a fiber waits in poll for a descriptor of which another of coir reads', function()
  local socket = require 'socket'
  local left, right = socket.socketpair('AF_UNIX', 'SOCK_STREAM')
  local reader = start(function() return left:read(5, 10) end)
  local poller = start(library.poll, left:fd(), -1)
  right:write('hello')
  test.equal({ join(reader), join(poller) }, { 'hello', 1 })
end)

test.case('a library waits inside a coroutine, a sort and a callback of its own', function()
  local left, right = library.pair()
  local one = start(function()
    local results = {}
    results[1] = coroutine.wrap(function() return library.recv(left) end)()
    library.call_back(function() results[2] = library.recv(left) end)
    table.sort({ 2, 1 }, function(a, b)
      results[3] = results[3] or library.recv(left)
      return a < b
    end)
    return results
  end)
  test.match(one:traceback(), 'hooks_test.lua')
  for i = 1, 3 do
    library.send(right, tostring(i))
    test.settle()
  end
  test.equal(join(one), { '1', '2', '3' })
end)

test.case('a parked fiber says what it waits for', function()
  local left, right = library.pair()
  local one = start(library.recv, left)
  test.match(one:info().waiting, '^recv fd ' .. left)
  library.send(right, '.')
  join(one)
end)

test.case('a descriptor that is closed meanwhile ends no wait before its time is over', function()
  local left, right = library.pair()
  local one = start(library.poll, left, 50)
  library.close(left)
  test.equal(join(one), 1) -- POLLNVAL
  library.close(right)
end)

test.case('waits work while no descriptor is left', function()
  local left, right = library.pair()
  library.limit_descriptors(true)
  local one, other = start(library.recv, left), start(library.poll, left, 30)
  test.equal(join(other), 0)
  library.send(right, 'late')
  local text = join(one)
  library.limit_descriptors(false)
  test.equal(text, 'late')
end)

test.case('nothing leaks', function()
  local function descriptors()
    local pipe <close> = io.popen('ls /proc/$PPID/fd | wc -l')
    return pipe:read('n')
  end
  local left, right = library.pair()
  join(start(library.poll, left, 1))
  collectgarbage() -- sockets of the cases before
  collectgarbage()
  local before = descriptors()
  for _ = 1, 200 do
    local one = start(library.recv, left)
    library.send(right, 'x')
    join(one)
    library.poll(left, 1)
  end
  test.equal(descriptors(), before)
end)

test.case('a fiber that never has to wait lets the others run', function()
  local left, right = library.pair()
  local turns = 0
  local other = fiber.create(function()
    while true do
      turns = turns + 1
      fiber.yield()
    end
  end)
  for _ = 1, 1000 do
    library.send(right, 'x')
    library.recv(left)
  end
  other:cancel()
  test.ok(turns > 10)
end)

-- -- Cancellation ---------------------------------------------------------------------------------

test.case('cancellation ends a wait with EINTR, and later ones with ECANCELED', function()
  local left = library.pair()
  for _, wait in ipairs { function() return library.poll(left, -1) end,
    function() return library.select(left) end,
    function() return library.recv(left) end } do
    local seen
    local one = start(function()
      seen = { table.pack(wait()), table.pack(wait()) }
      fiber.sleep(0)
    end)
    one:cancel()
    local ok, problem = one:join(10)
    test.ok(not ok and fiber.is_cancelled(problem))
    test.equal(seen, { { n = 2, -1, errno.EINTR }, { n = 2, -1, errno.ECANCELED } })
  end
end)

test.case('what need not wait works in a cancelled fiber', function()
  local left, right = library.pair()
  local result
  local one = start(function()
    pcall(fiber.sleep, 10)
    library.send(right, 'bye')
    result = library.recv(left)
  end)
  one:cancel()
  one:join(10)
  test.equal(result, 'bye')
end)

test.case('libraries that try again come to an end in a cancelled fiber', function()
  local left = library.pair()
  local code
  local one = start(function() code = select(2, library.stubborn_poll(left)) end)
  local sleeper = start(library.stubborn_sleep, 100000)
  one:cancel()
  sleeper:cancel()
  test.takes(0, 5, join, one)
  test.takes(0, 5, join, sleeper)
  test.equal(code, errno.ECANCELED)
end)

test.case('a cancelled sleep says what is left', function()
  local one = start(library.nanosleep, 100000)
  one:cancel()
  local result, code, left = join(one)
  test.equal({ result, code }, { -1, errno.EINTR })
  test.ok(left > 90 and left <= 100)
end)

test.case('wakeup() does not end a library\'s sleep', function()
  local one = start(library.nanosleep, 30)
  one:wakeup()
  test.equal(join(one), 0)
end)

-- -- Where the C library's functions are called ---------------------------------------------------

test.case('a finalizer blocks the thread instead of waiting', function()
  local left = library.pair()
  local result
  local before = coir.hooks().poll
  setmetatable({}, { __gc = function() result = library.poll(left, 10) end })
  collectgarbage()
  collectgarbage()
  local after = coir.hooks().poll
  test.equal(result, 0)
  test.equal({ after.parked - before.parked, after.passed - before.passed }, { 0, 1 })
end)

test.case('a thread of the library\'s own and a child process wait by themselves', function()
  local left = library.pair()
  local before = parked 'poll'
  test.equal(library.poll_in_thread(left), 0)
  test.equal(library.poll_in_child(left), 0)
  test.equal(parked 'poll', before)
end)

test.case('hooks(false) switches them off, hooks(true) on', function()
  local left = library.pair()
  local turns = 0
  local other = fiber.create(function() while true do fiber.yield() turns = turns + 1 end end)
  coir.hooks(false)
  local counts = coir.hooks().poll
  library.poll(left, 20)
  test.equal(turns, 0)
  test.equal(coir.hooks().poll, { parked = counts.parked, passed = counts.passed + 1 })
  coir.hooks(true)
  library.poll(left, 20)
  other:cancel()
  test.ok(turns > 0)
  test.equal(coir.hooks().poll, { parked = counts.parked + 1, passed = counts.passed + 1 })
  test.raises('boolean expected', coir.hooks, 1)
end)

test.case('the runtime\'s own calls are not hooked', function()
  local socket = require 'socket'
  --- Without ppoll, which libkqueue calls where it stands in for epoll.
  local function counts()
    local all = coir.hooks()
    all.ppoll = nil
    return all
  end
  local before = counts()
  local left, right = socket.socketpair('AF_UNIX', 'SOCK_STREAM')
  local reader = fiber.spawn(function() return left:read('\n') end)
  fiber.yield()
  right:write('line\n')
  test.equal(join(reader), 'line\n')
  fiber.sleep(0.001)
  socket.iowait(left:fd(), 'w', 1)
  test.equal(counts(), before)
end)

-- -- The program ----------------------------------------------------------------------------------

test.case('--no-hooks starts with them off', function()
  local result = run([[
    local left = library.pair()
    library.poll(left, 1)
    print(coir.hooks().poll.parked, coir.hooks().poll.passed)
  ]], '--no-hooks')
  test.equal({ result.out, result.err, result.code }, { '0\t1\n', '', 0 })
end)

test.case('they work at the prompt', function()
  local result = child.shell(([[printf '%%s\n' 'package.cpath = "%s/?.so"' \
    'library = require "scenarios"' 'coir = require "coir"' 'library.nanosleep(5)' \
    '=coir.hooks().nanosleep.parked' | "$0" -i]]):format(arg[1]))
  test.match(result.out, '\n1\n')
  test.equal(result.code, 0)
end)

test.case('a wait in a library is no deadlock', function()
  local result = run [[
    local left, right = library.pair()
    print(library.poll(left, 30))
    library.close(right)
    print(library.recv(left))
  ]]
  test.equal({ result.out, result.code }, { '0\n\n', 0 })
end)

test.case('SIGTERM ends a program that waits in a library', function()
  local process = child.start(('package.cpath = %q\n'):format(arg[1] .. '/?.so') .. [[
    local library = require 'scenarios'
    local left = library.pair()
    fiber.new(function() print 'ready' end)
    library.stubborn_poll(left)
    fiber.sleep(0)
    print 'not reached'
  ]])
  process:expect('ready')
  process:signal('TERM')
  local rest, how, code = process:wait()
  test.equal({ rest, how, code }, { '', 'signal', 15 })
end)

test.case('Ctrl-C ends a wait in a library, and the next wait in Lua raises', function()
  local process = child.start(('package.cpath = %q\n'):format(arg[1] .. '/?.so') .. [[
    local library, errno = require 'scenarios', require 'errno'
    local left = library.pair()
    fiber.new(function() print 'ready' end)
    local _, code = library.poll(left, -1)
    print(code == errno.EINTR)
    _, code = library.stubborn_poll(left)
    print(code == errno.ECANCELED)
    print(pcall(fiber.sleep, 1))
    print(library.poll(left, 1))
  ]])
  process:expect('ready')
  process:signal('INT')
  test.equal(process:line(), 'true')
  test.equal(process:line(), 'true')
  test.equal(process:line(), 'false\tinterrupted!')
  test.equal(process:line(), '0')
  process:wait()
end)

test.case('Ctrl-C while C code runs ends the wait that it begins next', function()
  local result = child.run(('package.cpath = %q\n'):format(arg[1] .. '/?.so') .. [[
    local library, errno, fiber = require 'scenarios', require 'errno', require 'fiber'
    local _, code = library.signalled_poll(library.pair(), 2)
    print(code == errno.EINTR)
    print(pcall(fiber.sleep, 1))
  ]])
  test.equal({ result.err, result.out }, { '', 'true\nfalse\tinterrupted!\n' })
end)

test.finish()
