using System.Globalization;
using Incidents.Benchmarks;

// The goals against their yardsticks, all in one run. The table goes to the output, everything else to the error stream.
//   --quick   two minutes, one round: enough to see a mistake, not to quote
//   --full    growth to a million stored incidents
//   --only rates,pipe,storm,timers,many,start
var quick = args.Contains("--quick");
var only = args.SkipWhile(a => a != "--only").Skip(1).FirstOrDefault()?.Split(',');
var table = new Table();
var began = TimeProvider.System.GetTimestamp();
try
{
    await using var lab = await Lab.StartAsync();
    var scenarios = new Scenarios(lab, table, Size.Of(quick, args.Contains("--full")), Console.Error);
    foreach (var (name, run) in ((string, Func<Task>)[])[("rates", scenarios.RatesAsync), ("pipe", scenarios.PipeAsync), ("storm", scenarios.StormAsync), ("timers", scenarios.TimersAsync), ("many", scenarios.ManyAsync), ("start", scenarios.StartAsync)])
    {
        if (only is not null && !only.Contains(name)) continue;
        await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{name} ({TimeProvider.System.GetElapsedTime(began).TotalSeconds:0} s)"));
        await run();
    }

    Console.WriteLine(table);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{Environment.ProcessorCount} cores, {TimeProvider.System.GetElapsedTime(began).TotalMinutes:0.0} minutes; {lab.Machine.Count.Disturbed} of {lab.Machine.Count.All} measurements stayed disturbed by other programs."));
}
catch (Exception broken)
{
    // What was measured until then is shown all the same.
    Console.Error.WriteLine(broken);
    Console.WriteLine(table);
    return 2;
}

return table.Holds ? 0 : 1;
