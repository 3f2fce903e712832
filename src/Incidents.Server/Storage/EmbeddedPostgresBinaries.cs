using System.Globalization;
using CliWrap;
using CliWrap.Buffered;

namespace Incidents.Server.Storage;

/// <summary>One installation of PostgreSQL's programs.</summary>
/// <param name="Directory">Holds <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c>.</param>
/// <param name="Major">15 for PostgreSQL 15.18.</param>
internal sealed record EmbeddedPostgresBinaries(string Directory, int Major)
{
    /// <summary>The oldest PostgreSQL the engine works with.</summary>
    public const int OldestMajor = 15;

    private static readonly string[] Needed = ["initdb", "pg_ctl", "postgres"];

    public string this[string program] => Path.Combine(Directory, program);

    /// <summary>The newest installation, or the newest of <paramref name="major"/> when a cluster of that version exists.</summary>
    /// <exception cref="EmbeddedPostgresException">There is none; the message holds the command that installs one.</exception>
    public static async Task<EmbeddedPostgresBinaries> FindAsync(string? askedFor, int? major, CancellationToken cancellationToken)
    {
        var found = new List<EmbeddedPostgresBinaries>();
        foreach (var folder in Candidates(askedFor).Distinct(StringComparer.Ordinal))
        {
            if (!Needed.All(program => File.Exists(Path.Combine(folder, program)))) continue;
            if (await MajorOfAsync(Path.Combine(folder, "postgres"), cancellationToken) is { } version) found.Add(new(folder, version));
        }

        var usable = found.Where(b => major is null ? b.Major >= OldestMajor : b.Major == major).OrderByDescending(b => b.Major).FirstOrDefault();
        return usable ?? throw new EmbeddedPostgresException(Missing(askedFor, major, found));
    }

    private static List<string> Candidates(string? askedFor)
    {
        if (!string.IsNullOrWhiteSpace(askedFor)) return [askedFor];

        var folders = new List<string>();
        foreach (var parent in (string[])["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt", "/usr"])
        {
            if (!System.IO.Directory.Exists(parent)) continue;
            var pattern = parent switch { "/usr/lib/postgresql" => "*", "/usr" => "pgsql-*", _ => "postgresql*" };
            folders.AddRange(System.IO.Directory.EnumerateDirectories(parent, pattern).Select(folder => Path.Combine(folder, "bin")));
        }

        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            // pg_ctl alone is often linked into PATH; its neighbours are where the link points.
            var program = new FileInfo(Path.Combine(folder, "pg_ctl"));
            if (program.Exists && Path.GetDirectoryName(program.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? program.FullName) is { } real) folders.Add(real);
        }

        return folders;
    }

    private static async Task<int?> MajorOfAsync(string postgres, CancellationToken cancellationToken)
    {
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        var answer = await Cli.Wrap(postgres).WithArguments(["--version"]).WithValidation(CommandResultValidation.None).ExecuteBufferedAsync(cancellationToken);
        var words = answer.StandardOutput.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var digits = words.Length < 3 ? "" : new string([.. words[2].TakeWhile(char.IsAsciiDigit)]);
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var major) ? major : null;
    }

    private static string Missing(string? askedFor, int? major, List<EmbeddedPostgresBinaries> found)
    {
        var have = found.Count == 0 ? "none is installed" : "found only " + string.Join(", ", found.Select(b => $"PostgreSQL {b.Major} in {b.Directory}"));
        var where = string.IsNullOrWhiteSpace(askedFor) ? "" : $" INCIDENTS_POSTGRES_BIN names {askedFor}.";
        return major is { } kept
            ? $"The stored data is PostgreSQL {kept}'s and needs the programs of that version; {have}.{where} "
              + $"Type: sudo apt-get install postgresql-{kept}. To move the data to a newer version, see docs/decisions/embedded-postgres.md."
            : $"PostgreSQL {OldestMajor} or newer is needed; {have}.{where} Type: script/bootstrap, or: sudo apt-get install postgresql. "
              + "Or set ConnectionStrings__Incidents to use a database elsewhere.";
    }
}
