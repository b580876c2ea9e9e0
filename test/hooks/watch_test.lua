-- watch_test.lua FOLDER: --watch reports fibers that keep the thread.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '../lua/?.lua;' .. package.path
local child = require 'child'
local test = require 'test'

local function run(text, ...)
  return child.run(([[
    package.cpath = %q .. package.cpath
    local fiber, library = require 'fiber', require 'scenarios'
    local function compute()
      local till = fiber.clock() + 0.3
      local n = 0
      while fiber.clock() < till do n = n + 1 end
      return n
    end
  ]]):format(arg[1] .. '/?.so;') .. text, ...)
end

test.case('a fiber that computes is reported, once for each stretch, with its traceback', function()
  local result = run([[
    local busy = fiber.new(function()
      compute()
      fiber.sleep(0.001)
      compute()
    end)
    busy:name 'busy'
    fiber.sleep(1)
  ]], '--watch=20')
  local _, lines = result.err:gsub('coir: fiber %d+ has kept the thread for 20 ms\n', '')
  test.equal(lines, 2)
  local _, reports = result.err:gsub(
    'coir: fiber %d+ %(busy%) kept the thread for %d+ ms\nstack traceback:\n', '')
  test.equal(reports, 2)
  test.match(result.err, "in upvalue 'compute'")
  test.equal(result.code, 0)
end)

test.case('a fiber that blocks in a system call is reported with the name of the call', function()
  local result = run([[os.execute 'sleep 0.3']], '--watch')
  test.match(result.err, 'coir: fiber %d+ has kept the thread for 50 ms, in system call wait4\n')
  test.match(result.err,
    "kept the thread for %d%d%d ms\nstack traceback:\n\t%[C%]: in function 'os.execute'")
end)

test.case('the call that blocks goes on where the kernel lets it', function()
  local result = run([[print(os.execute 'sleep 0.3; exit 7')]], '--watch=20')
  test.equal(result.out, 'nil\texit\t7\n')
end)

test.case('what a coroutine does is reported as the call that resumes it', function()
  local result = run([[
    fiber.spawn(function() coroutine.wrap(function() os.execute 'sleep 0.3' end)() end):join()
  ]], '--watch=20')
  test.match(result.err, 'kept the thread for %d+ ms\nstack traceback:\n[^\n]*in ')
end)

test.case('a debug hook of the program\'s own stays', function()
  local result = run([[
    local function hook() end
    debug.sethook(hook, 'c')
    os.execute 'sleep 0.3'
    print(debug.gethook() == hook)
  ]], '--watch=20')
  test.equal(result.out, 'true\n')
  test.match(result.err, '^coir: fiber %d+ has kept the thread for 20 ms, in system call wait4\n$')
end)

test.case('a fiber that waits is not reported; nor is anything without --watch', function()
  local script = [[
    local left = library.pair()
    library.poll(left, 700)
    library.nanosleep(700)
    fiber.sleep(0.7)
  ]]
  test.equal(run(script, '--watch=500').err, '')
  test.equal(run(script .. 'compute()').err, '')
end)

test.case('--watch with what is no time is refused', function()
  for _, value in ipairs { '', '0', '-1', '1.5', '10ms', 'x', '3600001', '99999999999999999999' } do
    local result = child.words('--watch=' .. value, '-e', 'print(1)')
    test.equal({ result.out, result.code }, { '', 1 })
    test.match(result.err,
      "^[^\n]*: invalid time in '%-%-watch=" .. value:gsub('%p', '%%%0') .. "'\nusage: ")
  end
end)

test.finish()
