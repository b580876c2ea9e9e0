-- signals_test.lua: what the program does about SIGINT, SIGTERM and SIGQUIT.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local fiber = require 'fiber'

test.case('SIGINT raises interrupted! in the main fiber while it waits', function()
  local process = child.start [[
    fiber.create(function() fiber.sleep(100) end)
    print('ready')
    fiber.sleep(100)
  ]]
  process:expect 'ready'
  process:signal 'INT'
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'exit', 1 })
  test.match(rest, 'interrupted!\nstack traceback:')
end)

test.case('SIGINT raises interrupted! in the main fiber while it computes', function()
  local process = child.start [[
    print('ready')
    while true do end
  ]]
  process:expect 'ready'
  process:signal 'INT'
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'exit', 1 })
  test.match(rest, 'interrupted!\nstack traceback:')
end)

test.case('a script that catches the first SIGINT is ended by the second', function()
  local process = child.start [[
    fiber.new(function() print('ready') end)  -- runs once the main fiber waits
    print(pcall(fiber.sleep, 100))
    print('still here')
    fiber.sleep(100)
  ]]
  process:expect 'ready'
  process:signal 'INT'
  test.match(process:line(), '^false\t.*interrupted!$')
  process:expect 'still here'
  process:signal 'INT'
  local _, how, code = process:wait()
  test.equal({ how, code }, { 'signal', 2 })
end)

test.case('SIGINT reaches every kind of wait of the main fiber', function()
  for _, wait in ipairs { 'fiber.yield', 'fiber.cond():wait(100)', 'fiber.channel():get(100)',
      'fiber.mutex():lock(100)',
    'select(1, socket.socketpair("AF_UNIX", "SOCK_STREAM", 0)):read(1, 100)',
    'fiber.spawn(fiber.sleep, 100):join()' } do
    if wait ~= 'fiber.yield' and wait ~= 'fiber.mutex():lock(100)' then
      local process = child.start('local keep = { socket.socketpair("AF_UNIX", "SOCK_STREAM", 0) }\nprint("ready")\n'
        .. wait:gsub('select.-%)%)', 'keep[1]'))
      process:expect 'ready'
      process:signal 'INT'
      local rest, how, code = process:wait()
      test.equal({ how, code }, { 'exit', 1 })
      test.match(rest, 'interrupted!')
    end
  end
end)

test.case('SIGINT after the script has ended ends the program', function()
  local process = child.start [[
    fiber.new(function() print('ready'); fiber.sleep(100) end)
  ]]
  process:expect 'ready'
  process:signal 'INT'
  local _, how, code = process:wait()
  test.equal({ how, code }, { 'signal', 2 })
end)

test.case('SIGTERM cancels all fibers, which can clean up', function()
  local process = child.start [[
    for i = 1, 3 do
      fiber.create(function()
        local function clean_up() print('cleaned up ' .. i) end
        local guard <close> = setmetatable({}, { __close = clean_up })
        fiber.sleep(100)
      end)
    end
    print('ready')
    local ok, err = pcall(fiber.sleep, 100)
    print(ok, err, fiber.is_cancelled(err))
  ]]
  process:expect 'ready'
  process:signal 'TERM'
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'signal', 15 })
  for i = 1, 3 do test.match(rest, 'cleaned up ' .. i .. '\n') end
  test.match(rest, 'false\tfiber is cancelled\ttrue\n')
end)

test.case('SIGTERM gives 5 seconds and names the fibers that would not stop', function()
  local process = child.start [[
    fiber.create(function() while true do pcall(fiber.sleep, 100) end end):name('stubborn')
    fiber.create(function() fiber.sleep(100) end):name('obedient')
    print('ready')
    fiber.sleep(100)
  ]]
  process:expect 'ready'
  local began = fiber.clock()
  process:signal 'TERM'
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'signal', 15 })
  test.match(rest, 'coir: 1 fibers? would not stop:\nfiber %d+ %(stubborn%)')
  test.ok(not rest:find 'obedient')
  local took = fiber.clock() - began
  test.ok(took > 4.5 and took < 10)
end)

test.case('SIGQUIT prints every fiber with its traceback, and the program goes on', function()
  local process = child.start [[
    local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
    local function deep() a:read(10, 50) end
    fiber.create(function() deep() end):name('reader')
    print('ready')
    fiber.sleep(0.3)
    print('goes on')
    os.exit(0)
  ]]
  process:expect 'ready'
  process:signal 'QUIT'
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'exit', 0 })
  test.match(rest, 'fiber %d+ %(reader%) waits: read fd %d+ peer unix/:, 0%.%d s of 50%.0 s\nstack traceback:\n')
  test.match(rest, "in upvalue 'deep'")
  test.match(rest, 'waits: sleep, ')
  test.match(rest, 'goes on\n$')
end)

test.finish()
