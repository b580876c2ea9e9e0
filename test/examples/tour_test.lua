-- tour_test.lua: the tour takes every step, and ends by itself.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path
local example = require 'example'
local fiber = require 'fiber'
local test = require 'test'

local steps = {
  'a server that echoes lines listens on 127%.0%.0%.1:%d+\n',
  'fibers, all connected at once, had %d+ lines echoed in %d+%.%d+ s\n',
  'table%.sort asked the server %d+ times in its comparator: apple fig pear plum quince\n',
  'string%.gsub asked it for each word in its callback: ONE TWO THREE\n',
  'a peer that says nothing: Connection timed out %(ETIMEDOUT%) after 0%.[3-9]%d+ s\n',
  'localhost is [%x:.]+',
  'http://127%.0%.0%.1:%d+/tour: HTTP/1%.0 200 OK: <h1>You asked for /tour</h1>\n',
  'the end\n$',
}

local function check_steps(out)
  local from = 1
  for _, step in ipairs(steps) do
    local first, last = out:find(step, from)
    if not first then error(('%s is not in %s'):format(step, out)) end
    from = last
  end
end

test.case('the tour takes every step with 1,000 fibers, and ends in a few seconds', function()
  local began = fiber.clock()
  local tour <close> = example.lua('tour.lua')
  local status, out, err = tour:wait()
  test.equal({ status, err }, { 0, '' })
  check_steps(out)
  test.match(out, '1000 fibers, all connected at once, had 10000 lines echoed')
  test.ok(fiber.clock() - began < 20)
end)

test.case('each line begins with the time, which never goes back', function()
  local tour <close> = example.lua('tour.lua', 10)
  local _, out = tour:wait()
  local last = 0
  for line in out:gmatch('[^\n]+') do
    local time = tonumber(line:match('^ *(%d+%.%d%d%d) s  '))
    test.ok(time and time >= last, line)
    last = time
  end
end)

test.case('a number as argument is the number of fibers', function()
  local tour <close> = example.lua('tour.lua', 17)
  local status, out = tour:wait()
  test.equal(status, 0)
  check_steps(out)
  test.match(out, ' 17 fibers, all connected at once, had 170 lines echoed')
end)

test.case('where too few descriptors are allowed it says so, and takes fewer fibers', function()
  local tour <close> = example.start('sh', '-c', 'ulimit -n 256; exec "$0" "$1"',
    example.absolute(example.program), example.absolute(example.folder) .. 'tour.lua')
  local status, out, err = tour:wait()
  test.equal({ status, err }, { 0, '' })
  test.match(out, '1000 fibers would need 2050 descriptors, and `ulimit %-n` allows 256: only 103 fibers talk\n')
  check_steps(out)
end)

test.finish()
