--- coir.compat.netnet.application: TINN's Application. Its tasks are fibers; its times are
--- milliseconds.
local base = require 'coir.compat.base'
local fiber = require 'coir.fiber'

local Application = { __name = 'Application' }
Application.__index = Application

--- @param make_global? boolean also sets the global names
function Application:create(make_global)
  local app = setmetatable({ tasks = {}, count = 0, changed = fiber.cond(), signals = {}, last_id = 0 },
    Application)
  return make_global and app:exportGlobals() or app
end

-- -- Tasks ----------------------------------------------------------------------------------------

local Task = { __name = 'Task' }
Task.__index = Task

--- 'running', 'suspended' or 'dead'.
function Task:getStatus() return self.fiber:status() end

local function ended(app, task)
  app.tasks[task] = nil
  app.count = app.count - 1
  app.changed:broadcast()
end

--- Starts a task, which runs when the caller first waits. An error in it is logged.
--- @return table task
function Application:coop(func, ...)
  self.last_id = self.last_id + 1
  local task = setmetatable({ TaskID = self.last_id }, Task)
  local closer = setmetatable({}, { __close = function() ended(self, task) end })
  local started, message = base.spawn('task', function(...)
    local _ <close> = closer
    func(...)
  end, ...)
  if not started then error(message, 2) end
  task.fiber = started
  self.tasks[task] = true
  self.count = self.count + 1
  return task
end

Application.spawn = Application.coop

--- Starts `func` as a task, if given, and waits until no task is left or one has called `stop`,
--- which ends the others at their next wait.
function Application:run(func, ...)
  self.stopped = false
  if func then self:coop(func, ...) end
  local inside = 0
  for task in pairs(self.tasks) do
    if task.fiber == fiber.self() then inside = 1 end
  end
  while self.count > inside and not self.stopped do self.changed:wait() end
  if not self.stopped then return end
  for task in pairs(self.tasks) do
    if task.fiber ~= fiber.self() then task.fiber:cancel() end
  end
end

Application.start = Application.run

--- Makes `run` return.
function Application:stop()
  self.stopped = true
  self.changed:broadcast()
end

function Application:yield(...)
  fiber.yield()
  return ...
end

--- A function that tells whether a task has ended, for `waitFor` and `when`.
function Application.taskIsFinished(task)
  return function() return task:getStatus() == 'dead' end
end

-- -- Time -----------------------------------------------------------------------------------------

function Application:sleep(milliseconds) fiber.sleep(milliseconds / 1000) end

--- Calls `func` once, in a task, after a time.
function Application:delay(func, milliseconds)
  return self:coop(function()
    self:sleep(milliseconds or 1000)
    func()
  end)
end

--- Calls `func` again and again, in a task, with this time in between.
function Application:periodic(func, milliseconds)
  return self:coop(function()
    while true do
      self:sleep(milliseconds or 1000)
      func()
    end
  end)
end

-- -- Conditions -----------------------------------------------------------------------------------

--- Waits until `predicate()` is true; it is asked every millisecond.
function Application:waitFor(predicate)
  while not predicate() do fiber.sleep(0.001) end
end

--- Calls `func` in a task once the predicate is true.
function Application:when(predicate, func)
  return self:coop(function()
    self:waitFor(predicate)
    func()
  end)
end

--- Calls `func` in a task each time the predicate is found true.
function Application:whenever(predicate, func)
  return self:coop(function()
    while true do
      self:waitFor(predicate)
      func()
      fiber.sleep(0.001)
    end
  end)
end

-- -- Signals --------------------------------------------------------------------------------------

local function signal(self, name)
  self.signals[name] = self.signals[name] or fiber.cond()
  return self.signals[name]
end

--- Wakes the task that has waited longest for a signal.
function Application:signalOne(name) signal(self, name):signal() end

--- Wakes all that wait for a signal. Nobody remembers it.
function Application:signalAll(name) signal(self, name):broadcast() end

function Application:waitForSignal(name) signal(self, name):wait() end

--- Calls `func` in a task when the signal comes for the first time.
function Application:onSignal(func, name)
  return self:coop(function()
    self:waitForSignal(name)
    func()
  end)
end

-- -- Globals --------------------------------------------------------------------------------------

local exported = {
  coop = 'coop', delay = 'delay', onSignal = 'onSignal', periodic = 'periodic', run = 'run',
  signalAll = 'signalAll', signalOne = 'signalOne', sleep = 'sleep', spawn = 'coop', stop = 'stop',
  waitSignal = 'waitForSignal', waitFor = 'waitFor', when = 'when', whenever = 'whenever', yield = 'yield',
}

--- Sets the application's functions as globals.
--- @param env? table instead of `_G`
--- @return table self
function Application:exportGlobals(env)
  env = env or _G
  for name, method in pairs(exported) do
    env[name] = function(...) return self[method](self, ...) end
  end
  env.taskIsFinished = Application.taskIsFinished
  return self
end

return Application:create()
