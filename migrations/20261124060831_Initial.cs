using System;
using System.Net;
using Microsoft.EntityFrameworkCore.Migrations;
using NodaTime;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace Incidents.Migrations
{
    /// <inheritdoc />
    public partial class Initial : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateSequence(
                name: "incident_numbers");

            migrationBuilder.CreateSequence(
                name: "row_ids",
                incrementBy: 1000);

            migrationBuilder.CreateTable(
                name: "alerts",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false),
                    source = table.Column<string>(type: "text", nullable: false),
                    fingerprint = table.Column<string>(type: "text", nullable: false),
                    starts_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    status = table.Column<string>(type: "text", nullable: false),
                    ends_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    name = table.Column<string>(type: "text", nullable: false),
                    labels = table.Column<string>(type: "jsonb", nullable: false),
                    annotations = table.Column<string>(type: "jsonb", nullable: false),
                    generator_url = table.Column<string>(type: "text", nullable: false),
                    severity = table.Column<string>(type: "text", nullable: false),
                    severity_word = table.Column<string>(type: "text", nullable: true),
                    outcome = table.Column<string>(type: "text", nullable: false),
                    outcome_reason = table.Column<string>(type: "text", nullable: true),
                    incident_number = table.Column<long>(type: "bigint", nullable: true),
                    notice_id = table.Column<long>(type: "bigint", nullable: true),
                    group_key = table.Column<string>(type: "text", nullable: false),
                    receivers = table.Column<string[]>(type: "text[]", nullable: false),
                    route_path = table.Column<string[]>(type: "text[]", nullable: false),
                    config_version = table.Column<string>(type: "text", nullable: false),
                    first_inbox_id = table.Column<long>(type: "bigint", nullable: false),
                    received_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    observed_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    last_seen_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    upstream_group = table.Column<long>(type: "bigint", nullable: true),
                    missing_since = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    upstream_note = table.Column<string>(type: "text", nullable: true),
                    absences = table.Column<short>(type: "smallint", nullable: false),
                    settle_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    resolved_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    resolved_reason = table.Column<string>(type: "text", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_alerts", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "api_keys",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    name = table.Column<string>(type: "character varying(100)", maxLength: 100, nullable: false),
                    prefix = table.Column<string>(type: "character varying(16)", maxLength: 16, nullable: false),
                    hash = table.Column<byte[]>(type: "bytea", nullable: false),
                    scopes = table.Column<string[]>(type: "text[]", nullable: false),
                    source = table.Column<string>(type: "character varying(100)", maxLength: 100, nullable: true),
                    created_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    expires_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    last_used_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    revoked_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_api_keys", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "audit_entries",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    actor = table.Column<string>(type: "text", nullable: false),
                    actor_kind = table.Column<string>(type: "text", nullable: false),
                    action = table.Column<string>(type: "text", nullable: false),
                    subject = table.Column<string>(type: "text", nullable: false),
                    remote_address = table.Column<IPAddress>(type: "inet", nullable: true),
                    detail = table.Column<string>(type: "jsonb", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_audit_entries", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "deliveries",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false),
                    thread_id = table.Column<long>(type: "bigint", nullable: false),
                    incident_number = table.Column<long>(type: "bigint", nullable: true),
                    notice_id = table.Column<long>(type: "bigint", nullable: true),
                    receiver = table.Column<string>(type: "text", nullable: false),
                    occasion = table.Column<string>(type: "text", nullable: false),
                    occasion_weight = table.Column<short>(type: "smallint", nullable: false),
                    state = table.Column<string>(type: "text", nullable: false),
                    created_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    due_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    attempts = table.Column<int>(type: "integer", nullable: false),
                    first_attempt_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    lease_until = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    done_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    fail_over_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    fallback_of = table.Column<long>(type: "bigint", nullable: true),
                    detail = table.Column<string>(type: "text", nullable: true),
                    trace_parent = table.Column<string>(type: "text", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_deliveries", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "delivery_attempts",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    delivery_id = table.Column<long>(type: "bigint", nullable: false),
                    number = table.Column<int>(type: "integer", nullable: false),
                    started_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    ended_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    result = table.Column<string>(type: "text", nullable: false),
                    detail = table.Column<string>(type: "text", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_delivery_attempts", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "idempotency_records",
                columns: table => new
                {
                    caller = table.Column<string>(type: "text", nullable: false),
                    endpoint = table.Column<string>(type: "text", nullable: false),
                    key = table.Column<string>(type: "character varying(255)", maxLength: 255, nullable: false),
                    request_hash = table.Column<byte[]>(type: "bytea", nullable: false),
                    state = table.Column<string>(type: "text", nullable: false),
                    holder = table.Column<Guid>(type: "uuid", nullable: false),
                    leased_until = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    status = table.Column<int>(type: "integer", nullable: true),
                    headers = table.Column<string>(type: "jsonb", nullable: true),
                    body = table.Column<byte[]>(type: "bytea", nullable: true),
                    created_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    expires_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_idempotency_records", x => new { x.caller, x.endpoint, x.key });
                });

            migrationBuilder.CreateTable(
                name: "inbox",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false),
                    received_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    source = table.Column<string>(type: "text", nullable: false),
                    kind = table.Column<string>(type: "text", nullable: false),
                    state = table.Column<string>(type: "text", nullable: false),
                    bytes = table.Column<int>(type: "integer", nullable: false),
                    trace_parent = table.Column<string>(type: "text", nullable: true),
                    attempts = table.Column<short>(type: "smallint", nullable: false),
                    done_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    reason = table.Column<string>(type: "text", nullable: true),
                    alerts = table.Column<int>(type: "integer", nullable: false),
                    opened = table.Column<int>(type: "integer", nullable: false),
                    attached = table.Column<int>(type: "integer", nullable: false),
                    suppressed = table.Column<int>(type: "integer", nullable: false),
                    informed = table.Column<int>(type: "integer", nullable: false),
                    duplicate = table.Column<int>(type: "integer", nullable: false),
                    resolved = table.Column<int>(type: "integer", nullable: false),
                    quarantined = table.Column<int>(type: "integer", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_inbox", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "inbox_bodies",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false),
                    body = table.Column<byte[]>(type: "bytea", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_inbox_bodies", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "incidents",
                columns: table => new
                {
                    number = table.Column<long>(type: "bigint", nullable: false),
                    group_key = table.Column<string>(type: "text", nullable: false),
                    group_id = table.Column<Guid>(type: "uuid", nullable: false),
                    title = table.Column<string>(type: "text", nullable: false),
                    severity = table.Column<string>(type: "text", nullable: false),
                    state = table.Column<string>(type: "text", nullable: false),
                    since = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    opened_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    acknowledged_by = table.Column<string>(type: "text", nullable: true),
                    acknowledged_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    assigned_to = table.Column<string>(type: "text", nullable: true),
                    snoozed_until = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    resolved_by = table.Column<string>(type: "text", nullable: true),
                    resolved_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    resolved_by_alerts = table.Column<bool>(type: "boolean", nullable: false),
                    verify_resolve_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    closed_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    merged_into = table.Column<long>(type: "bigint", nullable: true),
                    firing_alerts = table.Column<int>(type: "integer", nullable: false),
                    total_alerts = table.Column<int>(type: "integer", nullable: false),
                    reopened = table.Column<int>(type: "integer", nullable: false),
                    receivers = table.Column<string[]>(type: "text[]", nullable: false),
                    escalation_policy = table.Column<string>(type: "text", nullable: true),
                    playbooks = table.Column<string[]>(type: "text[]", nullable: false),
                    manual_review_required = table.Column<bool>(type: "boolean", nullable: false),
                    about_engine = table.Column<bool>(type: "boolean", nullable: false),
                    revision = table.Column<long>(type: "bigint", nullable: false),
                    updated_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    trace_parent = table.Column<string>(type: "text", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_incidents", x => x.number);
                });

            migrationBuilder.CreateTable(
                name: "notices",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false),
                    group_key = table.Column<string>(type: "text", nullable: false),
                    group_id = table.Column<Guid>(type: "uuid", nullable: false),
                    title = table.Column<string>(type: "text", nullable: false),
                    severity = table.Column<string>(type: "text", nullable: false),
                    receivers = table.Column<string[]>(type: "text[]", nullable: false),
                    since = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    opened_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    closed_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    firing_alerts = table.Column<int>(type: "integer", nullable: false),
                    total_alerts = table.Column<int>(type: "integer", nullable: false),
                    revision = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_notices", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "notification_threads",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false),
                    incident_number = table.Column<long>(type: "bigint", nullable: true),
                    notice_id = table.Column<long>(type: "bigint", nullable: true),
                    receiver = table.Column<string>(type: "text", nullable: false),
                    reference = table.Column<string>(type: "text", nullable: true),
                    shown_state = table.Column<string>(type: "text", nullable: true),
                    shown_revision = table.Column<long>(type: "bigint", nullable: false),
                    log_cursor = table.Column<long>(type: "bigint", nullable: false),
                    may_have_arrived = table.Column<bool>(type: "boolean", nullable: false),
                    first_attempt_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_notification_threads", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "receiver_states",
                columns: table => new
                {
                    receiver = table.Column<string>(type: "text", nullable: false),
                    is_parked = table.Column<bool>(type: "boolean", nullable: false),
                    blocked_until = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    reason = table.Column<string>(type: "text", nullable: false),
                    since = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    probes = table.Column<int>(type: "integer", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_receiver_states", x => x.receiver);
                });

            migrationBuilder.CreateTable(
                name: "timeline_entries",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    incident_number = table.Column<long>(type: "bigint", nullable: false),
                    at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    kind = table.Column<string>(type: "text", nullable: false),
                    text = table.Column<string>(type: "text", nullable: false),
                    actor_kind = table.Column<string>(type: "text", nullable: false),
                    actor_name = table.Column<string>(type: "text", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_timeline_entries", x => x.id);
                });

            migrationBuilder.CreateIndex(
                name: "ix_alerts_fingerprint_source_starts_at",
                table: "alerts",
                columns: new[] { "fingerprint", "source", "starts_at" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_alerts_id",
                table: "alerts",
                column: "id",
                filter: "status = 'firing' and outcome = 'suppressed'");

            migrationBuilder.CreateIndex(
                name: "ix_alerts_incident_number",
                table: "alerts",
                column: "incident_number",
                filter: "incident_number is not null");

            migrationBuilder.CreateIndex(
                name: "ix_alerts_notice_id",
                table: "alerts",
                column: "notice_id",
                filter: "notice_id is not null");

            migrationBuilder.CreateIndex(
                name: "ix_alerts_received_at_id",
                table: "alerts",
                columns: new[] { "received_at", "id" });

            migrationBuilder.CreateIndex(
                name: "ix_alerts_settle_at",
                table: "alerts",
                column: "settle_at",
                filter: "settle_at is not null");

            migrationBuilder.CreateIndex(
                name: "ix_alerts_upstream_group",
                table: "alerts",
                column: "upstream_group",
                filter: "status = 'firing'");

            migrationBuilder.CreateIndex(
                name: "ix_api_keys_prefix",
                table: "api_keys",
                column: "prefix",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_audit_entries_subject_id",
                table: "audit_entries",
                columns: new[] { "subject", "id" });

            migrationBuilder.CreateIndex(
                name: "ix_deliveries_due_at",
                table: "deliveries",
                column: "due_at",
                filter: "state = 'queued'");

            migrationBuilder.CreateIndex(
                name: "ix_deliveries_fail_over_at",
                table: "deliveries",
                column: "fail_over_at",
                filter: "fail_over_at is not null");

            migrationBuilder.CreateIndex(
                name: "ix_deliveries_incident_number",
                table: "deliveries",
                column: "incident_number",
                filter: "incident_number is not null");

            migrationBuilder.CreateIndex(
                name: "ix_deliveries_lease_until",
                table: "deliveries",
                column: "lease_until",
                filter: "state = 'sending'");

            migrationBuilder.CreateIndex(
                name: "ix_deliveries_thread_id",
                table: "deliveries",
                column: "thread_id",
                unique: true,
                filter: "state = 'queued'");

            migrationBuilder.CreateIndex(
                name: "ix_deliveries_thread_id1",
                table: "deliveries",
                column: "thread_id",
                unique: true,
                filter: "state = 'sending'");

            migrationBuilder.CreateIndex(
                name: "ix_delivery_attempts_delivery_id",
                table: "delivery_attempts",
                column: "delivery_id");

            migrationBuilder.CreateIndex(
                name: "ix_idempotency_records_expires_at",
                table: "idempotency_records",
                column: "expires_at");

            migrationBuilder.CreateIndex(
                name: "ix_inbox_id",
                table: "inbox",
                column: "id",
                filter: "state = 'pending'");

            migrationBuilder.CreateIndex(
                name: "ix_inbox_id1",
                table: "inbox",
                column: "id",
                filter: "state in ('quarantined', 'partial')");

            migrationBuilder.CreateIndex(
                name: "ix_inbox_received_at",
                table: "inbox",
                column: "received_at")
                .Annotation("Npgsql:IndexMethod", "brin");

            migrationBuilder.CreateIndex(
                name: "ix_incidents_group_id",
                table: "incidents",
                column: "group_id",
                unique: true,
                filter: "state in ('triggered', 'acknowledged')");

            migrationBuilder.CreateIndex(
                name: "ix_incidents_group_id_number",
                table: "incidents",
                columns: new[] { "group_id", "number" });

            migrationBuilder.CreateIndex(
                name: "ix_incidents_resolved_at",
                table: "incidents",
                column: "resolved_at",
                filter: "state = 'resolved'");

            migrationBuilder.CreateIndex(
                name: "ix_incidents_snoozed_until",
                table: "incidents",
                column: "snoozed_until",
                filter: "snoozed_until is not null");

            migrationBuilder.CreateIndex(
                name: "ix_incidents_state_opened_at_number",
                table: "incidents",
                columns: new[] { "state", "opened_at", "number" });

            migrationBuilder.CreateIndex(
                name: "ix_incidents_verify_resolve_at",
                table: "incidents",
                column: "verify_resolve_at",
                filter: "verify_resolve_at is not null");

            migrationBuilder.CreateIndex(
                name: "ix_notices_group_id",
                table: "notices",
                column: "group_id",
                unique: true,
                filter: "closed_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_notification_threads_incident_number_receiver",
                table: "notification_threads",
                columns: new[] { "incident_number", "receiver" },
                unique: true,
                filter: "incident_number is not null");

            migrationBuilder.CreateIndex(
                name: "ix_notification_threads_notice_id_receiver",
                table: "notification_threads",
                columns: new[] { "notice_id", "receiver" },
                unique: true,
                filter: "notice_id is not null");

            migrationBuilder.CreateIndex(
                name: "ix_timeline_entries_incident_number_id",
                table: "timeline_entries",
                columns: new[] { "incident_number", "id" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "alerts");

            migrationBuilder.DropTable(
                name: "api_keys");

            migrationBuilder.DropTable(
                name: "audit_entries");

            migrationBuilder.DropTable(
                name: "deliveries");

            migrationBuilder.DropTable(
                name: "delivery_attempts");

            migrationBuilder.DropTable(
                name: "idempotency_records");

            migrationBuilder.DropTable(
                name: "inbox");

            migrationBuilder.DropTable(
                name: "inbox_bodies");

            migrationBuilder.DropTable(
                name: "incidents");

            migrationBuilder.DropTable(
                name: "notices");

            migrationBuilder.DropTable(
                name: "notification_threads");

            migrationBuilder.DropTable(
                name: "receiver_states");

            migrationBuilder.DropTable(
                name: "timeline_entries");

            migrationBuilder.DropSequence(
                name: "incident_numbers");

            migrationBuilder.DropSequence(
                name: "row_ids");
        }
    }
}
