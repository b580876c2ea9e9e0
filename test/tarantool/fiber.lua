-- fiber.lua: the life of fibers: create, new, self, id, find, status, yield, sleep, wakeup, name,
-- info, storage, time, and uncaught errors.
--
-- Left out because coir means to differ: the order of fibers that have yielded (Tarantool's is that
-- of a heap), the status of a finished joinable fiber, and `wakeup` of oneself (it can crash 2.6).

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local fiber = require 'fiber'

-- A list that fibers write to, and its contents in one string.
local function new_log()
  local lines = {}
  return function(line) lines[#lines + 1] = line end, function() return table.concat(lines, ' ') end
end

local function dead_fiber()
  return fiber.create(function() end)
end

t.case('create', function()
  local log, logged = new_log()
  local f = fiber.create(function(...)
    log('inside')
    log(select('#', ...))
    log(tostring((select(2, ...))))
    fiber.yield()
    log('again')
  end, 1, nil, 'three', nil)
  log('outside')
  t.check('it runs at once, to its first wait', logged())
  t.check('then it is suspended', f:status())
  while f:status() ~= 'dead' do fiber.yield() end
  t.check('and goes on later', logged())
  t.check('a fiber that never waits', fiber.create(function() end):status())
  t.refuses('create without a function', fiber.create)
  t.refuses('create nil', fiber.create, nil)
  t.refuses('create a word', fiber.create, 'print')

  log, logged = new_log()
  fiber.create(function()
    log('outer')
    fiber.create(function() log('inner') end)
    log('outer again')
  end)
  t.check('one inside another', logged())
end)

t.case('new', function()
  local log, logged = new_log()
  local f = fiber.new(function(...) log('first ' .. select('#', ...)) end, nil, nil)
  fiber.new(function() log('second') end)
  fiber.new(function() log('third') end)
  log('creator')
  t.check('a new fiber', f:status())
  fiber.yield()
  t.check('it runs when its creator yields', logged())
  t.check('and ends', f:status())
  t.refuses('new without a function', fiber.new)
  t.refuses('new with a table', fiber.new, {})
end)

t.case('self and id', function()
  t.check('self is the same each time', fiber.self() == fiber.self())
  t.check('id of oneself', fiber.id() == fiber.self():id(), fiber.id() == fiber.id(fiber.self()))
  t.check('id is a number', type(fiber.id()), fiber.id() > 100)
  local inside, inside_id
  local f = fiber.create(function()
    inside, inside_id = fiber.self(), fiber.id()
    fiber.yield()
  end)
  t.check('self inside', inside == f, inside ~= fiber.self())
  t.check('id inside', inside_id == f:id(), inside_id ~= fiber.id())
  t.check('id of another', fiber.id(f) == f:id())
  t.check('ids grow', fiber.create(function() end):id() > f:id())
  local g = dead_fiber()
  t.check('a dead fiber has its id', type(g:id()))
  t.refuses('id of a table', fiber.id, {})
end)

t.case('find', function()
  local f = fiber.create(fiber.yield)
  t.check('find', fiber.find(f:id()) == f)
  t.check('find oneself', fiber.find(fiber.id()) == fiber.self())
  t.check('find a dead one', fiber.find(dead_fiber():id()))
  t.check('find an unknown id', fiber.find(1000000000))
  t.refuses('find nothing', fiber.find)
end)

t.case('status', function()
  t.check('status of oneself', fiber.status(), fiber.self():status(), fiber.status(fiber.self()))
  local f = fiber.create(fiber.yield)
  t.check('status of another', f:status(), fiber.status(f))
  t.check('status of a dead one', dead_fiber():status(), fiber.status(dead_fiber()))
  local outer = fiber.self()
  local seen
  fiber.create(function() seen = outer:status() end)
  t.check('status of the creator', seen)
  t.refuses('status of a word', fiber.status, 'f')
  t.refuses('status of an id', fiber.status, f:id())
end)

t.case('yield and sleep', function()
  local turns = 0
  local f = fiber.new(function()
    for _ = 1, 3 do
      fiber.yield()
      turns = turns + 1
    end
  end)
  while f:status() ~= 'dead' do fiber.yield() end
  t.check('yield lets others run', turns)
  t.check('yield returns nothing', select('#', fiber.yield()))
  t.check('sleep returns nothing', select('#', fiber.sleep(0)))

  local log, logged = new_log()
  fiber.create(function() fiber.sleep(0.03) log('long') end)
  fiber.create(function() fiber.sleep(0.01) log('short') end)
  local last = fiber.create(function() fiber.sleep(0.05) log('longest') end)
  fiber.create(function() fiber.sleep(0) log('none') end)
  while last:status() ~= 'dead' do fiber.sleep(0.001) end
  t.check('sleepers wake in order of time', logged())

  local before = fiber.clock()
  fiber.sleep(0.02)
  local slept = fiber.clock() - before
  t.check('a sleep takes its time', slept > 0.015 and slept < 1)
  before = fiber.clock()
  fiber.sleep(-5)
  t.check('a negative sleep is short', fiber.clock() - before < 1)
  t.check('a time in a string', pcall(fiber.sleep, '0'))
  t.refuses('sleep without a time', fiber.sleep)
  t.refuses('sleep nil', fiber.sleep, nil)
  t.refuses('sleep a word', fiber.sleep, 'long')
  t.refuses('sleep a table', fiber.sleep, {})
end)

t.case('wakeup', function()
  local log, logged = new_log()
  local f = fiber.create(function()
    fiber.sleep(1000)
    log('awake')
  end)
  fiber.wakeup(f)
  log('it does not switch')
  fiber.yield()
  t.check('a sleeper wakes early', logged())

  log, logged = new_log()
  local function sleeper(name)
    fiber.sleep(1000)
    log(name)
  end
  local a, b, c = fiber.create(sleeper, 'a'), fiber.create(sleeper, 'b'), fiber.create(sleeper, 'c')
  b:wakeup()
  c:wakeup()
  fiber.wakeup(a:id())
  b:wakeup()
  fiber.yield()
  t.check('in the order of the wakeups', logged())

  log, logged = new_log()
  f = fiber.create(sleeper, 'woken')
  fiber.new(log, 'new before')
  f:wakeup()
  fiber.new(log, 'new after')
  fiber.yield()
  t.check('in one queue with new fibers', logged())

  local rounds = 0
  f = fiber.create(function()
    while rounds < 10 do
      fiber.sleep(1000)
      rounds = rounds + 1
    end
  end)
  f:wakeup()
  f:wakeup()
  fiber.yield()
  fiber.yield()
  t.check('twice is once', rounds)
  rounds = 10
  f:wakeup()
  fiber.yield()
  t.check('a sleeper that is asked to end', f:status())
  t.raises('wakeup of a dead fiber', f.wakeup, f)
  t.raises('wakeup of an unknown id', fiber.wakeup, 1000000000)
  t.refuses('wakeup of nothing', fiber.wakeup)
  t.refuses('wakeup of a word', fiber.wakeup, 'f')
end)

t.case('name', function()
  t.check('the main fiber is named after the script', fiber.name(), fiber.self():name())
  local f = fiber.create(fiber.yield)
  t.check('a name that nobody chose', f:name())
  t.check('naming returns nothing', select('#', f:name('worker')))
  t.check('a name', f:name(), fiber.name(f))
  fiber.name(f, 'other worker')
  t.check('a name by the function', f:name())
  f:name('')
  t.check('an empty name', f:name())
  local inside
  f = fiber.create(function()
    fiber.name('myself')
    inside = fiber.name()
    fiber.yield()
  end)
  t.check('naming oneself', inside, f:name())
  f:name(string.rep('n', 255))
  t.check('a name of 255 bytes', #f:name())
  t.raises('a name of 256 bytes', f.name, f, string.rep('m', 256))
  t.check('it is unchanged', f:name() == string.rep('n', 255))
  t.raises('a name not truncated', f.name, f, string.rep('m', 256), { truncate = false })
  f:name(string.rep('t', 300), { truncate = true })
  t.check('a name that is truncated', f:name() == string.rep('t', 255))
  f:name('short', { truncate = true })
  t.check('a short name is not', f:name())
  t.raises('the name of a dead fiber', dead_fiber().name, dead_fiber())
end)

t.case('info', function()
  local f = fiber.create(function()
    fiber.name('informed')
    fiber.yield()
    fiber.sleep(1000)
  end)
  local all = fiber.info()
  local row = all[f:id()]
  t.check('a row by id', row.name, row.fid == f:id())
  t.check('its numbers', type(row.csw), type(row.time), type(row.memory))
  t.check('its memory', type(row.memory.used), type(row.memory.total))
  t.check('a row of oneself', all[fiber.id()].name == fiber.name())
  t.check('no row of a dead fiber', fiber.info()[dead_fiber():id()])
  t.check('without backtraces', fiber.info({ backtrace = false })[f:id()].backtrace)
  t.check('without backtraces, short', fiber.info({ bt = false })[f:id()].backtrace)
  local before = fiber.info({ bt = false })[fiber.id()].csw
  fiber.yield()
  fiber.sleep(0)
  t.check('csw counts', fiber.info({ bt = false })[fiber.id()].csw - before)
  fiber.cancel(f)
end)

t.case('storage', function()
  local storage = fiber.self().storage
  t.check('a table', type(storage), storage.key)
  storage.key = 'mine'
  t.check('the same table each time', fiber.self().storage.key, fiber.self().storage == storage)
  local inside
  local f = fiber.create(function()
    inside = fiber.self().storage.key
    fiber.self().storage.key = 'its own'
    fiber.sleep(1000)
    inside = fiber.self().storage.key
  end)
  t.check('not the one of the creator', inside, fiber.self().storage.key)
  t.check('seen from outside', f.storage.key)
  f.storage.key = 'given'
  f:wakeup()
  fiber.yield()
  t.check('written from outside', inside)
  t.raises('storage of a dead fiber', function() return f.storage end)
end)

t.case('dead fibers', function()
  local f = dead_fiber()
  t.check('status', f:status())
  t.raises('name', f.name, f)
  t.raises('naming', f.name, f, 'zombie')
  t.raises('cancel', f.cancel, f)
  t.raises('join', f.join, f)
  t.raises('set_joinable', f.set_joinable, f, true)
end)

t.case('time', function()
  t.check('time', math.abs(fiber.time() - os.time()) < 5)
  t.check('time64', math.abs(tonumber(fiber.time64()) / 1e6 - fiber.time()) < 1)
  t.check('clock64', math.abs(tonumber(fiber.clock64()) / 1e6 - fiber.clock()) < 1)
  local time, clock = fiber.time(), fiber.clock()
  fiber.sleep(0.01)
  t.check('they go on', fiber.time() > time, fiber.clock() > clock)
end)

t.case('uncaught errors', function()
  local log, logged = new_log()
  local f = fiber.create(function() error('nobody catches this', 0) end)
  log(f:status())
  f = fiber.new(function()
    fiber.yield()
    error({})
  end)
  while f:status() ~= 'dead' do fiber.yield() end
  log(f:status())
  t.check('they end their fiber only', logged())
  t.check('create goes on after one', fiber.create(error, 'once more'):status())
end)

os.exit(0)
