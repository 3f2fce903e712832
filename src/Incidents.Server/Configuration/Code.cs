namespace Incidents.Server.Configuration;

/// <summary>The codes of configuration problems. They are stable: people search for them. docs/configuration-errors.md says of each what it means and what to do.</summary>
internal static class Code
{
    // The file
    public const string Unreadable = "IR001";
    public const string Syntax = "IR002";
    public const string Tab = "IR003";
    public const string EmptyFile = "IR004";
    public const string DuplicateKey = "IR005";
    public const string UnknownAlias = "IR006";
    public const string SeveralDocuments = "IR007";

    // Its values
    public const string UnknownField = "IR010";
    public const string WrongType = "IR011";
    public const string Missing = "IR012";
    public const string BadValue = "IR013";
    public const string BadDuration = "IR014";
    public const string BadVersion = "IR015";
    public const string LiteralSecret = "IR020";
    public const string MisplacedReference = "IR021";
    public const string RefusedSetting = "IR022";

    // Receivers
    public const string DuplicateReceiver = "IR101";
    public const string NotOneChannel = "IR102";
    public const string UndefinedReceiver = "IR103";
    public const string UnusedReceiver = "IR104";
    public const string FallbackLoop = "IR105";

    // Routes
    public const string RootRestricted = "IR201";
    public const string RouteToNobody = "IR202";
    public const string DuplicateRoute = "IR203";
    public const string UnreachableRoute = "IR204";
    public const string IdenticalRoutes = "IR205";
    public const string BadMatcher = "IR206";
    public const string BadRegex = "IR207";
    public const string AmbiguousMatcher = "IR208";
    public const string BadGroupBy = "IR209";
    public const string UndefinedTeam = "IR210";

    // Times
    public const string UndefinedInterval = "IR301";
    public const string UnknownZone = "IR302";
    public const string BadRange = "IR303";
    public const string DuplicateInterval = "IR304";
    public const string UnusedInterval = "IR305";

    // What hides alerts
    public const string DuplicateRule = "IR351";
    public const string CircularDependency = "IR352";
    public const string HidesItself = "IR353";

    // Severities
    public const string WordTwice = "IR401";

    // Incidents
    public const string FailOverTooLate = "IR501";
    public const string StaleTooSoon = "IR502";
    public const string TimesContradict = "IR503";

    // Heartbeats
    public const string BadHeartbeat = "IR701";

    // On call
    public const string DefinedTwice = "IR601";
    public const string UndefinedPerson = "IR602";
    public const string UndefinedTarget = "IR603";
    public const string UndefinedPolicy = "IR604";
    public const string UnusedPolicy = "IR605";
    public const string ContactWithoutAddress = "IR606";
    public const string NotOneTarget = "IR607";
    public const string BadTurn = "IR608";
    public const string NotOneCourse = "IR609";
    public const string BadCalendar = "IR610";
    public const string CoverageHole = "IR611";
}
