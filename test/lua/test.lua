--- test.lua: the harness of the Lua tests.
---
--- Each case runs in a fiber of its own with a deadline. What it leaves behind is cancelled, so
--- that one case does not disturb the next. A test file ends with `test.finish()`.
local errno = require 'errno'
local fiber = require 'fiber'

local test = {}

local longest = 20 -- seconds that one case may take
local passed, failed = 0, 0

io.stdout:setvbuf('line')

-- -- Showing values -------------------------------------------------------------------------------

local function show(value, depth)
  if type(value) == 'string' then
    if #value > 300 then return ('a string of %d bytes: %q…'):format(#value, value:sub(1, 60)) end
    return ('%q'):format(value)
  end
  if type(value) ~= 'table' or depth == 0 then return tostring(value) end
  local parts = {}
  for k, v in pairs(value) do
    parts[#parts + 1] = ('%s = %s'):format(tostring(k), show(v, depth - 1))
  end
  table.sort(parts)
  return '{' .. table.concat(parts, ', ') .. '}'
end

local function same(a, b)
  if a == b or (a ~= a and b ~= b) then return true end
  if type(a) ~= 'table' or type(b) ~= 'table' then return false end
  for k, v in pairs(a) do
    if not same(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

-- -- Cases ----------------------------------------------------------------------------------------

local function cancel_what_is_left(before)
  for id in pairs(fiber.info()) do
    local left = not before[id] and fiber.find(id)
    if left then left:cancel() end
  end
  fiber.yield()
end

--- Runs one case. The sentence says what holds.
function test.case(sentence, body)
  local before = fiber.info()
  local worker = fiber.spawn(body)
  worker:name('case')
  local ok, problem = worker:join(longest)
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
    if worker:status() ~= 'dead' then problem = 'it does not end' end
    print(('FAILED: %s\n  %s\n%s'):format(sentence, tostring(problem), worker:traceback()))
  end
  cancel_what_is_left(before)
end

--- Says that something cannot be tested here, and why.
function test.skip(sentence, why)
  print(('skipped: %s (%s)'):format(sentence, why))
end

--- The end of a test file.
function test.finish()
  print(('%d passed, %d failed'):format(passed, failed))
  os.exit(failed == 0 and passed > 0 and 0 or 1)
end

-- -- Checks ---------------------------------------------------------------------------------------

--- Both values are the same; tables are compared by what is in them.
function test.equal(actual, expected)
  if not same(actual, expected) then
    error(('%s, not %s'):format(show(actual, 4), show(expected, 4)), 2)
  end
end

--- The value is true in Lua's sense.
function test.ok(value, about)
  if not value then error(about or ('%s is not true'):format(show(value, 3)), 2) end
  return value
end

--- The text has a place that matches the Lua pattern.
function test.match(text, pattern)
  if type(text) ~= 'string' or not text:find(pattern) then
    error(('%s does not match %q'):format(show(text, 3), pattern), 2)
  end
end

--- The call raises an error whose text matches the Lua pattern. Returns the error.
function test.raises(pattern, f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then
    error('nothing raised; returned ' .. show({ table.unpack(results, 2, results.n) }, 3), 2)
  end
  if not tostring(results[2]):find(pattern) then
    error(('raised %s, which does not match %q'):format(tostring(results[2]), pattern), 2)
  end
  return results[2]
end

local function check_failure(first, code_name, value, message, code)
  local name = code_name and errno[code_name]
  if value ~= first or type(message) ~= 'string' or (name and code ~= name)
      or math.type(code) ~= 'integer' then
    error(('%s, %s, %s (%s), not %s, a message, %s'):format(show(value, 3), show(message, 3),
      show(code, 3),
      tostring(errno[code]), tostring(first), code_name), 3)
  end
  return message
end

--- The values are `nil, message, code`, and the code has this name. Returns the message.
function test.fails(code_name, ...) return check_failure(nil, code_name, ...) end

--- The values are `false, message, code`. Returns the message.
function test.refused(code_name, ...) return check_failure(false, code_name, ...) end

--- The call takes from `least` to `most` seconds. Returns its results.
function test.takes(least, most, f, ...)
  local began = fiber.clock()
  local results = table.pack(f(...))
  local time = fiber.clock() - began
  if time < least or time > most then
    error(('took %.4f s, not from %g to %g s'):format(time, least, most), 2)
  end
  return table.unpack(results, 1, results.n)
end

--- Waits until the condition holds; for what another fiber or process does in its own time.
function test.eventually(condition)
  local until_when = fiber.clock() + longest / 2
  while not condition() do
    if fiber.clock() > until_when then error('it never comes true', 2) end
    fiber.sleep(0.001)
  end
end

--- Lets every fiber that is ready run until it waits.
function test.settle()
  for _ = 1, 5 do fiber.yield() end
end

return test
